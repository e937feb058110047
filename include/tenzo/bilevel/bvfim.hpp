// BVFIM: the value function as a constraint on the lower level, kept by a barrier.
//   Source  Liu, Liu, Yuan, Zeng, Zhang 2021, "A value-function-based interior-point method for non-convex bi-level
//           optimization".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// F(x) ≈ min over y of f(x, y) − τ log r,  r = g(x, z) + σ − g(x, y),  z ≈ argmin g(x, ·) + ½ ω ‖z‖², and descends
///   h = ∇_x f(x, y) + τ/r (∇_x g(x, y) − ∇_x g(x, z)).
///   y    goes by steepest descent, whose steps are halved until they stay inside r > 0 and descend. Where a new x has
///        left it outside it is drawn towards z, which is inside.
///   σ    is the slack that the lower level gets: y is O(√σ) from its solutions, and x with it where σ and τ fall
///        together. They fall with the step number, as ω does. Small ones want many steps of y and short ones of x.
///   Cost   inner_steps + 3 gradients of g and one of f; for y up to upper_steps of both, and values for the halvings.
struct Bvfim {
  std::int64_t inner_steps = 10, upper_steps = 20;
  double inner_lr = 0.1, lr_y = 0.1, lr_x = 0.1;
  Power slack = {0.1, 1}, barrier = {0.01, 1}, regular = {0, 0};  // σ, τ, ω

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y y, z;
    std::int64_t step = 0;
    double lambda = 0;                                        // τ/r of the last step
    double value = std::numeric_limits<double>::quiet_NaN();  // f(x, y) before the last step of x
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps >= 0 && upper_steps > 0 && slack.rate > 0 && barrier.rate > 0 && regular.rate >= 0,
            "bvfim: ", inner_steps, " and ", upper_steps, " steps, slack ", slack.rate, ", barrier ", barrier.rate,
            ", regularisation ", regular.rate);
    return {x, y, y};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    const double omega = regular.at(s.step), tau = barrier.at(s.step);
    for (std::int64_t t = 0; t < inner_steps; ++t) {
      Y d = oracle.lower_gradient(s.x, s.z);
      axpy_(omega, s.z, d);
      detail::projected_step_(oracle.problem().lower_set, inner_lr, d, s.z);
    }
    const auto at_z = oracle.lower_gradients(s.x, s.z);
    const double level = at_z.value + slack.at(s.step);
    const double outside = oracle.lower(s.x, s.y) - level;
    if (outside >= 0) come_inside_(oracle, s.x, s.z, level, slack.at(s.step), outside, s.y);
    double rate = lr_y;
    for (std::int64_t t = 0; t < upper_steps; ++t)
      if (!descend_(oracle, s.x, level, tau, rate, s.y)) break;

    auto f = oracle.upper_gradients(s.x, s.y);
    auto g = oracle.lower_gradients(s.x, s.y);
    s.value = f.value;
    s.lambda = tau / (level - g.value);
    axpy_(-1, at_z.x, g.x);
    axpy_(s.lambda, g.x, f.x);
    detail::projected_step_(oracle.problem().upper_set, lr_x, f.x, s.x);
    ++s.step;
  }

 private:
  /// Draws y towards z until it is inside, first to where it would be were g quadratic between them.
  template <class P, Tree X, Tree Y>
  static void come_inside_(Oracle<P>& oracle, const X& x, const Y& z, double level, double slack, double outside,
                           Y& y) {
    Y way = clone(y);
    axpy_(-1, z, way);
    double part = 0.9 * std::sqrt(slack / (slack + outside));
    for (int halvings = 0; halvings < 20; ++halvings, part /= 2) {
      y = clone(z);
      axpy_(part, way, y);
      if (oracle.lower(x, y) < level) return;
    }
    y = clone(z);
  }

  /// One step of y down the barrier, of at most the rate, which becomes what the next one may begin with; false where
  /// no step descends any more. What is not finite is taken as it is.
  template <class P, Tree X, Tree Y>
  bool descend_(Oracle<P>& oracle, const X& x, double level, double tau, double& rate, Y& y) const {
    const auto f = oracle.upper_gradients(x, y);
    const auto g = oracle.lower_gradients(x, y);
    const double now = f.value - tau * std::log(level - g.value);
    Y d = clone(f.y);
    axpy_(tau / (level - g.value), g.y, d);
    for (int halvings = 0; halvings < 40; ++halvings, rate /= 2) {
      Y next = clone(y);
      detail::projected_step_(oracle.problem().lower_set, rate, d, next);
      const double room = level - oracle.lower(x, next);
      if (room <= 0) continue;
      const double then = oracle.upper(x, next) - tau * std::log(room);
      Y way = clone(next);
      axpy_(-1, y, way);
      const bool falls = then < now && then <= now - 1e-4 / rate * inner(way, way);
      const bool finite = std::isfinite(then);
      if (falls || !finite) {
        y = std::move(next);
        rate = std::min(2 * rate, lr_y);
        return finite;
      }
    }
    return false;
  }
};

}  // namespace tenzo::bilevel
