// Zeroth-order gradients as data: slopes along directions that a key regenerates.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/zo/direction.hpp"

namespace tenzo::zo {

/// The derivative of a loss along a direction.
struct Slope {
  Direction direction;
  double value = 0;
};

/// A zeroth-order gradient, ĝ = Σ weight · value · u(direction): a few bytes a query, never a dense tensor.
struct Estimate {
  std::vector<Slope> slopes;
  double weight = 1;  // of every slope: 1/q for q random queries, 1 for coordinates and blocks
  double loss = NAN;  // at the point, or the mean of what the probe saw
  std::int64_t forwards = 0;

  bool finite() const {
    for (const Slope& s : slopes)
      if (!std::isfinite(s.value)) return false;
    return std::isfinite(loss);
  }
};

}  // namespace tenzo::zo
