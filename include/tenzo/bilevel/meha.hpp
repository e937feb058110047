// MEHA: the lower level through its Moreau envelope, single-loop and without Hessians, for lower losses that need not
// be convex.
//   Source  Liu, Liu, Yao, Zeng, Zhang 2024, "Moreau envelope for nonconvex bi-level optimization".
#pragma once

#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// Descent on f / c + g(x, y) − v(x, y), where v(x, y) = min_θ g(x, θ) + ‖θ − y‖² / 2γ is followed by θ:
///   θ ← Π(θ − η (∇_y g(x, θ) + (θ − y)/γ))
///   y ← Π(y − α (∇_y f/c_k + ∇_y g(x, y) − (y − θ)/γ))
///   x ← Π(x − β (∇_x f/c_k + ∇_x g(x, y) − ∇_x g(x, θ)))
/// with the new θ, and the new θ and y, in the lines below.
///   Wants  γ below half the inverse of g's weak convexity.   Bias  O(1/c_k); c_k = c (k + 1)^p, 0 < p < ½.
///   Cost   two gradients of f, inner_steps + 3 of g.
struct Meha {
  std::int64_t inner_steps = 1;  // of θ
  double lr_theta = 0.1, lr_y = 0.05, lr_x = 0.05, gamma = 1;
  Power c = {0.2, -0.25};

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y y, theta;
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f before the last step of x
    double gap = std::numeric_limits<double>::quiet_NaN();    // g − v there, v by θ and so from above
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps > 0 && gamma > 0 && c.rate > 0, "meha: ", inner_steps, " inner steps, gamma ", gamma, ", c ",
            c.rate);
    return {x, y, y};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    const auto& lower_set = oracle.problem().lower_set;
    const double weight = 1 / c.at(s.step);
    for (std::int64_t t = 0; t < inner_steps; ++t) {
      Y d = oracle.lower_gradient(s.x, s.theta);
      axpy_(1 / gamma, s.theta, d);
      axpy_(-1 / gamma, s.y, d);
      detail::projected_step_(lower_set, lr_theta, d, s.theta);
    }
    Y d = oracle.lower_gradient(s.x, s.y);
    axpy_(weight, oracle.upper_gradients(s.x, s.y).y, d);
    axpy_(-1 / gamma, s.y, d);
    axpy_(1 / gamma, s.theta, d);
    detail::projected_step_(lower_set, lr_y, d, s.y);

    const auto f = oracle.upper_gradients(s.x, s.y);
    auto h = oracle.lower_gradients(s.x, s.y);
    const auto at_theta = oracle.lower_gradients(s.x, s.theta);
    Y apart = clone(s.theta);
    axpy_(-1, s.y, apart);
    s.value = f.value;
    s.gap = h.value - at_theta.value - inner(apart, apart) / (2 * gamma);
    axpy_(weight, f.x, h.x);
    axpy_(-1, at_theta.x, h.x);
    detail::projected_step_(oracle.problem().upper_set, lr_x, h.x, s.x);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
