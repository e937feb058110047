// Measured orders: how a quantity falls or grows as a power of another.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// The slope of the least-squares line through (log x, log y): y ~ x^slope. All numbers are positive.
///   Throws  ValueError unless there are two points or more, as many of one as of the other.
inline double log_slope(std::span<const double> x, std::span<const double> y) {
  require(x.size() == y.size() && x.size() > 1, "log_slope: ", x.size(), " and ", y.size(), " numbers");
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  const double n = double(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += std::log(x[i]) / n, mean_y += std::log(y[i]) / n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log(x[i]) - mean_x;
    xx += dx * dx, xy += dx * (std::log(y[i]) - mean_y);
  }
  return xy / xx;
}

}  // namespace tenzo
