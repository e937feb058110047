// What the tests of rooms on a device share: how far a tree there is from one of the CPU.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "cuda/at_end.hpp"
#include "tenzo/cuda/operations.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::test {

/// The largest difference of all leaves beside the largest magnitude, of numbers that may be on a device.
template <Tree A, Tree B>
double apart(const A& a, const B& b) {
  double worst = 0, top = 0;
  for_each_leaf(
      [&](const Path& at, const auto& x, const auto& y) {
        CAPTURE(at.str());
        const auto p = x.template to<Cpu>(), q = y.template to<Cpu>();
        REQUIRE(p.shape() == q.shape());
        for (std::int64_t i = 0; i < p.size(); ++i) {
          const double u = double(p(i)), v = double(q(i));
          REQUIRE(std::isfinite(u));
          REQUIRE(std::isfinite(v));
          worst = std::max(worst, std::abs(u - v)), top = std::max(top, std::abs(v));
        }
      },
      a, b);
  return top > 0 ? worst / top : worst;
}

}  // namespace tenzo::test
