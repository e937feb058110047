// BOME: descent on f that keeps the value-function gap of the lower level falling.
//   Source  Ye, Liu, Wright, Stone, Liu 2022, "BOME! Bilevel optimization made easy".
#pragma once

#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// ŷ = T steps on g(x, ·) from y;  q(x, y) = g(x, y) − g(x, ŷ), ŷ held fixed;
/// λ = max((φ − ⟨∇f, ∇q⟩) / ‖∇q‖², 0);  (x, y) ← Π((x, y) − lr (∇f + λ ∇q)), x and y together.
///   The step lets ⟨∇q, step⟩ ≥ φ, so that q falls; no second derivatives.
///   Cost   T + 2 gradients of g and one of f a step.   Rate  K^{-1/4} on a KKT measure (unimodal lower loss).
struct Bome {
  enum class Phi { gradient, gap };  // φ = η ‖∇q‖², or η q

  std::int64_t inner_steps = 10;
  double inner_lr = 0.1, lr = 0.1, eta = 0.5;
  Phi phi = Phi::gradient;

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y y;
    std::int64_t step = 0;
    double lambda = 0;                                        // of the last step
    double value = std::numeric_limits<double>::quiet_NaN();  // f before the last step
    double gap = std::numeric_limits<double>::quiet_NaN();    // q before the last step
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps > 0 && inner_lr > 0 && lr > 0 && eta >= 0, "bome: ", inner_steps, " inner steps of ", inner_lr,
            ", steps of ", lr, ", eta ", eta);
    return {x, y};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    Y best = clone(s.y);
    detail::descend_lower_(oracle, s.x, inner_steps, inner_lr, best);
    auto f = oracle.upper_gradients(s.x, s.y);
    auto q = oracle.lower_gradients(s.x, s.y);  // ∇q, once the part of ŷ is taken off
    const auto at_best = oracle.lower_gradients(s.x, best);
    axpy_(-1, at_best.x, q.x);
    s.value = f.value;
    s.gap = q.value - at_best.value;

    const double square = inner(q.x, q.x) + inner(q.y, q.y);
    const double along = inner(f.x, q.x) + inner(f.y, q.y);
    s.lambda = square == 0 ? 0 : ((phi == Phi::gradient ? eta * square : eta * s.gap) - along) / square;
    if (s.lambda < 0) s.lambda = 0;  // NaN stays
    axpy_(s.lambda, q.x, f.x);
    axpy_(s.lambda, q.y, f.y);
    detail::projected_step_(oracle.problem().upper_set, lr, f.x, s.x);
    detail::projected_step_(oracle.problem().lower_set, lr, f.y, s.y);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
