// A claim of a paper, and what a run has to say about it.
#pragma once

#include <array>
#include <cmath>
#include <string>

namespace tenzo {

/// `value` was measured, and is held against `threshold`; `holds` says with what outcome.
struct Claim {
  std::string id{};         // "C4", as the program's README numbers it
  std::string statement{};  // one sentence
  double value = NAN, threshold = NAN;
  int seeds = 1;
  std::array<double, 2> ci95 = {NAN, NAN};  // 95 % confidence interval of the value; NaN where there is none
  bool holds = false;
  std::string reason{};    // why it does not hold, or what to know about it
  std::string relation{};  // of a value that holds to the threshold: "≥", "<"; for readers
};

}  // namespace tenzo
