// The claims, judged on the study's figures.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "../shared/text.hpp"
#include "study.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/claim.hpp"
#include "tenzo/stats/interval.hpp"

namespace dqn {

/// C1 to C6, of the processes; C7 to C10, of control and speed.
std::vector<tenzo::Claim> convergence_claims(const Results& r);
std::vector<tenzo::Claim> control_claims(const Results& r);

inline std::vector<tenzo::Claim> judge(const Results& r) {
  std::vector<tenzo::Claim> all = convergence_claims(r);
  for (const tenzo::Claim& c : control_claims(r)) all.push_back(c);
  return all;
}

/// A schedule's name as a reader wants it: "ε 0.1", "ε 1 → 0.05".
std::string shown(const std::string& schedule);

/// "255 (9 to 500)"; the value alone where there is no interval.
inline std::string with_interval(const tenzo::Measured& m, int digits) {
  using program_text::fixed;
  if (std::isnan(m.low)) return fixed(m.value, digits);
  return tenzo::cat(fixed(m.value, digits), " (", fixed(m.low, digits), " to ", fixed(m.high, digits), ')');
}

/// Successes over runs of a region's cells of this distance and ε (or schedule), of all processes; NaN of none.
double success(const std::vector<Region>& cells, double delta, double epsilon);
double success(const std::vector<Region>& cells, double delta, const std::string& schedule);
/// The mean over successes, of all processes, of a figure of such cells; NaN where there was none.
double mean_of_cells(const std::vector<Region>& cells, double delta, const std::string& schedule,
                     double Region::*figure);

/// The last greedy returns with this ε, of all seeds; their interquartile mean with the interval of the bootstrap.
std::vector<double> final_returns(const std::vector<Course>& courses, const std::string& epsilon);
tenzo::Measured final_return(const std::vector<Course>& courses, const std::string& epsilon);

/// The median over runs of the step of the first evaluation of 475 or more; infinite where half never got there.
double solved_by_half(const std::vector<Course>& runs);
/// Steps a second of one run, on average.
double mean_speed(const std::vector<Course>& runs);

}  // namespace dqn
