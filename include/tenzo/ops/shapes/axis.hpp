// A tensor around one of its axes.
#pragma once

#include <cstdint>

#include "tenzo/core/shape.hpp"

namespace tenzo {

/// (outer, n, inner) of a shape and an axis.
struct AroundAxis {
  std::int64_t outer, n, inner;

  AroundAxis(const Shape& s, int axis) : outer(s.outer(axis)), n(s[axis]), inner(s.inner(axis)) {}
};

}  // namespace tenzo
