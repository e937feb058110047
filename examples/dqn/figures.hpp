// The study's plots.
#pragma once

#include <string>
#include <vector>

#include "study.hpp"
#include "tenzo/io/report.hpp"

namespace dqn {

/// The rate by ε with γ 0.8: theory, measured, and the bounds.
tenzo::plot::Lines rate_plot(const Results& r);
/// Errors of one process near its solution.
tenzo::plot::Lines error_curves(const Results& r);
/// The final error by the number of samples.
tenzo::plot::Lines sample_plot(const Results& r);
/// A share of each cell's runs, over ε and distance.
tenzo::plot::HeatMap region_map(const std::vector<Region>& cells, const char* title, int Region::*count);
/// Errors of one process from this distance, by schedule.
tenzo::plot::Lines decay_curves(const Results& r, double delta);

tenzo::plot::Lines published_plot(const Results& r);
tenzo::plot::Lines sweep_plot(const Results& r);
tenzo::plot::Bars final_bars(const Results& r);
tenzo::plot::Bars solved_bars(const Results& r);
tenzo::plot::Lines game_plot(const Results& r);
tenzo::plot::Lines sea_plot(const Results& r);
tenzo::plot::Bars speed_bars(const Results& r);
tenzo::plot::Bars training_bars(const Results& r);

/// Of these runs those with this ε.
std::vector<Course> with_epsilon(const std::vector<Course>& all, const std::string& epsilon);
}  // namespace dqn
