// The claims, judged on the study's figures.
#pragma once

#include <string>
#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"
#include "tenzo/stats/interval.hpp"

namespace dqn {

std::vector<tenzo::Claim> judge(const Results& r);

/// A schedule's name as a reader wants it: "ε 0.1", "ε 1 → 0.05".
std::string shown(const std::string& schedule);

/// Successes over runs of a region's cells of this distance and ε (or schedule), of all processes; NaN of none.
double success(const std::vector<Region>& cells, double delta, double epsilon);
double success(const std::vector<Region>& cells, double delta, const std::string& schedule);
/// The mean over processes of a figure of such cells, where there was a success.
double mean_of_cells(const std::vector<Region>& cells, double delta, const std::string& schedule,
                     double Region::*figure);
/// The interquartile mean over seeds of the last greedy return with this ε.
tenzo::Measured final_return(const std::vector<Course>& courses, const std::string& epsilon);

}  // namespace dqn
