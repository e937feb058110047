// SRBA: SOBA with SARAH's recursion for the directions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "tenzo/bilevel/stochastic/directions.hpp"

namespace tenzo::bilevel {

/// Every `period` steps d = D of all batches; in between d ← d + D(now; ξ) − D(before; ξ), the same batches ξ at both.
/// Then SOBA's step along d.
///   period   0 takes (n + m) / 2, at least 1: as many batches in a period as in a full pass
///   Memory   the last state and direction, no tables.
///   Cost     a step takes two samples of each term.
///   Rate     (n + m)^{1/2} / ε for ‖∇F‖² ≤ ε, which is optimal.
///   Source   Dagréou et al. 2024, A lower bound and a near-optimal algorithm for bilevel empirical risk minimization.
struct Srba {
  StepSizes steps{};
  std::int64_t period = 0;
  double linear_radius = std::numeric_limits<double>::infinity();
  Sampling sampling = Sampling::independent;
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  using State = CorrectedState<X, Y>;

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    require(period >= 0, "srba: the period is ", period, "; want 0 or more");
    return {begin_at(sum, x, y, v), {}, {}, 0, {}};
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    const std::int64_t every =
        period > 0 ? period : std::max<std::int64_t>(1, (sum.lower_batches + sum.upper_batches) / 2);
    if (s.step % every == 0) {
      s.direction = directions(oracle.mean_terms(s.now));
    } else {
      const BatchDraw draw(sum, seed, s.step, 0, sampling);
      axpy_(1, directions(oracle.terms(s.now, draw)), s.direction);
      axpy_(-1, directions(oracle.terms(s.before, draw)), s.direction);
    }
    s.before = clone(s.now);
    advance_(sum, s.now, s.direction, steps.at(s.step), linear_radius);
    s.counts = oracle.counts;
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
