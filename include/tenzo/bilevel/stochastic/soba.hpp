// SOBA: y, v and x move together along one sample of each direction; MA-SOBA averages the direction of x.
#pragma once

#include <cstdint>
#include <limits>

#include "tenzo/bilevel/stochastic/directions.hpp"

namespace tenzo::bilevel {

/// y −= ρ_t D_y, v −= ρ_t D_v, x −= κ_t h,  h ← (1 − averaging) h + averaging D_x, all from the same old state.
///   averaging       1: SOBA; below: MA-SOBA, whose h begins at the first D_x
///   linear_radius   v is kept in the ball of this radius
///   Cost   a step takes a gradient of f, one of g, a Hessian product and a cross product, of a batch each.
///   Rate   of a mean over t^{-1/2} steps: ‖∇F‖² ∝ t^{-1/2}.
///   Source  Dagréou et al. 2022 (SOBA); Chen, Xiao, Balasubramanian 2023 (MA-SOBA).
struct Soba {
  StepSizes steps{.lower_decay = 0.5, .upper_decay = 0.5};
  double averaging = 1;
  double linear_radius = std::numeric_limits<double>::infinity();
  Sampling sampling = Sampling::independent;
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  struct State {
    Variables<X, Y> now;
    X average;  // h
    std::int64_t step = 0;
    OracleCounts counts;

    static void visit(auto&& f, auto&... self) {
      f("now", self.now...);
      f("average", self.average...);
      f("step", self.step...);
    }
  };

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    require(averaging > 0 && averaging <= 1, "soba: averaging is ", averaging, "; want a share above 0, at most 1");
    return {begin_at(sum, x, y, v), {}, 0, {}};
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    auto d = directions(oracle.terms(s.now, BatchDraw(sum, seed, s.step, 0, sampling)));
    if (averaging < 1) {
      if (has_leaves(s.average)) {
        scale_(d.x, averaging);
        axpy_(1 - averaging, s.average, d.x);
      }
      s.average = clone(d.x);
    }
    advance_(sum, s.now, d, steps.at(s.step), linear_radius);
    s.counts = oracle.counts;
    ++s.step;
  }
};

/// The MA-SOBA of an averaging, for steps that fall as 1/√t.
inline Soba ma_soba(double averaging = 0.1) {
  Soba s;
  s.averaging = averaging;
  return s;
}

}  // namespace tenzo::bilevel
