// Penalty methods: the lower level as a penalty on its value-function gap (V-PBGD), or on its gradient (G-PBGD).
//   Source  Shen, Chen 2023, "On penalty-based bilevel gradient descent method".
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// What the two methods remember.
template <Tree X, Tree Y>
struct PenaltyState {
  X x;
  Y y;
  Y best = {};  // ŷ, the lower solution that the last step compared with; V-PBGD alone
  std::int64_t step = 0;
  double value = std::numeric_limits<double>::quiet_NaN();    // f before the last step
  double penalty = std::numeric_limits<double>::quiet_NaN();  // p before the last step, without γ
  OracleCounts counts = {};
};

namespace detail {

/// (x, y) ← Π((x, y) − rate (∇f + γ ∇p)), the rate divided by γ where that is above 1, since the curvature grows with
/// it.
template <class P, Tree X, Tree Y>
void penalised_step_(const Oracle<P>& oracle, double gamma, double lr_x, double lr_y, const UpperGradients<X, Y>& f,
                     UpperGradients<X, Y>& p, PenaltyState<X, Y>& s) {
  s.value = f.value;
  s.penalty = p.value;
  scale_(p.x, gamma);
  scale_(p.y, gamma);
  axpy_(1, f.x, p.x);
  axpy_(1, f.y, p.y);
  const double by = std::max(1.0, gamma);
  projected_step_(oracle.problem().upper_set, lr_x / by, p.x, s.x);
  projected_step_(oracle.problem().lower_set, lr_y / by, p.y, s.y);
  ++s.step;
}

}  // namespace detail

/// V-PBGD: descent on f(x, y) + γ [g(x, y) − g(x, ŷ)], ŷ by T steps on g(x, ·), held fixed; γ along a ramp.
///   warm   ŷ goes on from the ŷ of the step before, which tracks argmin g closely at any T; otherwise it starts
///          from y, which keeps to y's basin and the gap at or above zero
///   Bias   of order 1 / γ in x.   Cost  T + 2 gradients of g and one of f a step.
struct ValuePenalty {
  std::int64_t inner_steps = 10;
  double inner_lr = 0.1, lr_x = 0.1, lr_y = 0.1;
  Ramp gamma = {1, 100, 1000};
  bool warm = true;

  template <Tree X, Tree Y>
  PenaltyState<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps > 0 && inner_lr > 0 && lr_x > 0 && lr_y > 0, "value penalty: ", inner_steps, " inner steps of ",
            inner_lr, ", steps of ", lr_x, " and ", lr_y);
    return {x, y, y};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, PenaltyState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    if (!warm) s.best = clone(s.y);
    detail::descend_lower_(oracle, s.x, inner_steps, inner_lr, s.best);
    const auto f = oracle.upper_gradients(s.x, s.y);
    auto p = oracle.lower_gradients(s.x, s.y);
    const auto at_best = oracle.lower_gradients(s.x, s.best);
    axpy_(-1, at_best.x, p.x);
    p.value -= at_best.value;
    detail::penalised_step_(oracle, gamma.at(s.step), lr_x, lr_y, f, p, s);
  }
};

/// G-PBGD: descent on f(x, y) + γ ‖∇_y g(x, y)‖². Its gradient takes one Hessian and one cross product; there is no
/// inner loop. For lower levels without constraints.
struct GradientPenalty {
  double lr_x = 0.1, lr_y = 0.1;
  Ramp gamma = {1, 100, 1000};

  template <Tree X, Tree Y>
  PenaltyState<X, Y> start(const X& x, const Y& y) const {
    require(lr_x > 0 && lr_y > 0, "gradient penalty: steps of ", lr_x, " and ", lr_y);
    return {x, y, {}};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, PenaltyState<X, Y>& s) const {
    static_assert(detail::unbounded<decltype(oracle.problem().lower_set)>,
                  "a gradient that vanishes is the lower solution only where the lower level has no constraints");
    const detail::Counting counting(oracle, s.counts);
    const auto f = oracle.upper_gradients(s.x, s.y);
    const Y g = oracle.lower_gradient(s.x, s.y);
    auto [mx, hy] = oracle.second_products(s.x, s.y, g);
    scale_(mx, 2);
    scale_(hy, 2);
    UpperGradients<X, Y> p{inner(g, g), std::move(mx), std::move(hy)};
    detail::penalised_step_(oracle, gamma.at(s.step), lr_x, lr_y, f, p, s);
  }
};

}  // namespace tenzo::bilevel
