// VRBO: SPIDER's recursion for the directions of y and x, with an inner loop on y.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "tenzo/bilevel/stochastic/series.hpp"

namespace tenzo::bilevel {

/// A step: every `period` steps d = D of all batches, its series with the mean Hessian; x −= κ d_x; then `inner` times
/// d += D(now; ξ) − D(before; ξ) and y −= ρ d_y, the first difference being that of x.
///   D_y = ∇_y g, D_x = M v + ∇_x f, v by a series.
///   period   0 takes half of the batches of both levels, at least 1
///   Rate     Õ(ε^{-3/2}) samples for ‖∇F‖² ≤ ε.
///   Source   Yang, Ji, Liang 2021, Provably faster algorithms for bilevel optimization, algorithm 2.
struct Vrbo {
  StepSizes steps{};
  std::int64_t inner = 3, period = 0;
  SampledSeries series{};
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  struct State {
    Variables<X, Y> now, direction;
    std::int64_t step = 0;
    OracleCounts counts;

    static void visit(auto&& f, auto&... self) {
      f("now", self.now...);
      f("direction", self.direction...);
      f("step", self.step...);
    }
  };

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    require(inner > 0 && period >= 0, "vrbo: ", inner, " inner steps, period ", period,
            "; want at least 1 step, and no negative period");
    require(series.terms > 0, "vrbo: ", series.terms, " terms; want at least 1");
    return {begin_at(sum, x, y, v), {}, 0, {}};
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    const StepSizes size = steps.at(s.step);
    const std::int64_t every =
        period > 0 ? period : std::max<std::int64_t>(1, (sum.lower_batches + sum.upper_batches) / 2);
    Variables<X, Y>& now = s.now;
    if (s.step % every == 0) s.direction = full(oracle, now, size.lower);
    X x_before = clone(now.x);
    Y y_before = clone(now.y);
    advance_upper_(sum, now.x, s.direction.x, size.upper);
    for (std::int64_t t = 0; t < inner; ++t) {
      const BatchDraw draw(sum, seed, s.step, t);
      const std::int64_t number = s.step * inner + t;
      const Face<Y> face = detail::face_of_step(sum, now.y, s.direction.y, size.lower);
      auto change = detail::series_directions(oracle, now.x, now.y, series, face, draw, seed, number);
      const auto old = detail::series_directions(oracle, x_before, y_before, series, face, draw, seed, number);
      now.v = clone(change.v);
      axpy_(1, change.y, s.direction.y);
      axpy_(-1, old.y, s.direction.y);
      axpy_(1, change.x, s.direction.x);
      axpy_(-1, old.x, s.direction.x);
      x_before = clone(now.x);
      y_before = clone(now.y);
      advance_lower_(sum, now.y, s.direction.y, size.lower);
    }
    s.counts = oracle.counts;
    ++s.step;
  }

 private:
  /// D_y and D_x of all batches, v with products of the mean Hessian.
  template <BatchedProblem S, Tree X, Tree Y>
  Variables<X, Y> full(BatchOracle<S>& oracle, const Variables<X, Y>& at, double lower_step) const {
    const std::int64_t n = oracle.sum().lower_batches, m = oracle.sum().upper_batches;
    Variables<X, Y> d{zeros_like(at.y), {}, zeros_like(at.x)};
    Y upper_y = zeros_like(at.y);
    for (std::int64_t j = 0; j < m; ++j) {
      const auto f = oracle.upper(at.x, at.y, j);
      axpy_(1 / double(m), f.y, upper_y);
      axpy_(1 / double(m), f.x, d.x);
    }
    for (std::int64_t i = 0; i < n; ++i) axpy_(1 / double(n), oracle.gradient(at.x, at.y, i), d.y);
    const Face<Y> face = detail::face_of_step(oracle.sum(), at.y, d.y, lower_step);
    upper_y = clone(face.along(upper_y));
    scale_(upper_y, -1);
    const auto product = [&](const Y& u) {
      Y mean = zeros_like(u);
      for (std::int64_t i = 0; i < n; ++i) axpy_(1 / double(n), oracle.hessian(at.x, at.y, face.along(u), i), mean);
      return face.along(mean);
    };
    d.v = Neumann{.terms = series.terms - 1, .alpha = series.alpha}(product, upper_y).x;
    for (std::int64_t i = 0; i < n; ++i) axpy_(1 / double(n), oracle.cross(at.x, at.y, d.v, i), d.x);
    return d;
  }
};

}  // namespace tenzo::bilevel
