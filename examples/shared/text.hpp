// Numbers as the programs write them.
#pragma once

#include <cstdio>
#include <span>
#include <string>

#include "tenzo/stats/interval.hpp"

namespace program_text {

/// With so many digits behind the point.
inline std::string fixed(double x, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}

/// "5.28 ± 0.33": mean and standard deviation over seeds; a dash of none.
inline std::string spread(std::span<const double> x, int digits) {
  if (x.empty()) return "–";
  const std::string mean = fixed(tenzo::mean_of(x), digits);
  return x.size() > 1 ? mean + " ± " + fixed(tenzo::deviation_of(x), digits) : mean;
}

}  // namespace program_text
