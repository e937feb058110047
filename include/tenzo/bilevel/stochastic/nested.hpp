// Stochastic methods with loops inside a step: BSA, TTSA, StocBiO, AmIGO.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/bilevel/stochastic/series.hpp"

namespace tenzo::bilevel {

/// A step: N gradient steps on y, each of a batch of its own; v by a series or by K steps v −= ρ D_v; x −= κ D_x with
/// new batches for M and f.
///   inner, inner_growth   N = ⌈inner (t + 1)^inner_growth⌉ in step t
///   warm_linear           K = series.terms steps of size steps.linear from the v before, instead of the series
struct NestedLoops {
  StepSizes steps{};
  std::int64_t inner = 10;
  double inner_growth = 0;
  bool warm_linear = false;
  SampledSeries series{};
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  using State = LoopState<X, Y>;

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    require(inner > 0 && inner_growth >= 0, "nested loops: ", inner, " inner steps, growing by the power ",
            inner_growth, "; want at least 1, and no negative power");
    require(series.terms > 0, "nested loops: ", series.terms, " terms; want at least 1");
    return {begin_at(sum, x, y, v), 0, {}};
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    const StepSizes size = steps.at(s.step);
    Variables<X, Y>& now = s.now;
    const auto n = std::int64_t(std::ceil(double(inner) * std::pow(double(s.step + 1), inner_growth)));
    Face<Y> face;
    std::int64_t round = 0;
    for (; round < n; ++round) {
      const BatchDraw draw(sum, seed, s.step, round);
      face = advance_lower_(sum, now.y, oracle.gradient(now.x, now.y, draw.gradient()), size.lower);
    }
    if (warm_linear) {
      for (std::int64_t k = 0; k < series.terms; ++k) {
        const BatchDraw draw(sum, seed, s.step, round++);
        Y d = oracle.hessian(now.x, now.y, now.v, draw.hessian());
        axpy_(1, oracle.upper(now.x, now.y, draw.upper()).y, d);
        advance_linear_(now.v, d, size.linear, face);
      }
    }
    const BatchDraw draw(sum, seed, s.step, round);
    auto f = oracle.upper(now.x, now.y, draw.upper());
    if (!warm_linear) now.v = series(oracle, now.x, now.y, f.y, face, draw, seed, s.step);
    axpy_(1, oracle.cross(now.x, now.y, now.v, draw.cross()), f.x);
    advance_upper_(sum, now.x, f.x, size.upper);
    s.counts = oracle.counts;
    ++s.step;
  }
};

/// StocBiO: 10 inner steps, a series of 10 terms.
///   Source  Ji, Yang, Liang 2021, Bilevel optimization: convergence analysis and enhanced design.
inline NestedLoops stocbio() { return {}; }

/// AmIGO: 10 inner steps, 10 on v, both from where they were.
///   Source  Arbel, Mairal 2022, Amortized implicit differentiation for stochastic bilevel optimization.
inline NestedLoops amigo() {
  NestedLoops s;
  s.steps = {.lower = 0.01, .linear = 0.01, .upper = 0.1};
  s.warm_linear = true;
  return s;
}

/// BSA: inner loops that grow as √t, a series of random length.
///   Source  Ghadimi, Wang 2018, Approximation methods for bilevel programming.
inline NestedLoops bsa() {
  NestedLoops s;
  s.steps = {.lower_decay = 0.5, .upper_decay = 0.5};
  s.inner = 1;
  s.inner_growth = 0.5;
  s.series.random = true;
  return s;
}

/// TTSA: one inner step, y on the faster of two time scales, t^{-2/5} against t^{-3/5}; a series of random length.
///   Source  Hong, Wai, Wang, Yang 2023, A two-timescale stochastic algorithm framework for bilevel optimization.
inline NestedLoops ttsa() {
  NestedLoops s;
  s.steps = {.lower_decay = 0.4, .upper_decay = 0.6};
  s.inner = 1;
  s.series.random = true;
  return s;
}

}  // namespace tenzo::bilevel
