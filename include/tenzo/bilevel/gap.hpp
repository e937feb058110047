// A regularised gap function for lower levels with coupled constraints c(x, y) ≤ 0, by first derivatives alone.
//   Source  after Yao, Yin, Zeng, Zhang 2025, "Overcoming lower-level constraints in bilevel optimization" (BiC-GAFFO).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// y solves the convex problem min g(x, ·) over c(x, ·) ≤ 0 and the lower set, with multipliers z, where the gap of its
/// Lagrangian L(x, y, z) = g + zᵀ c vanishes:
///   G(x, y, z) = max over θ in the set, λ ≥ 0 of  L(x, y, λ) − L(x, θ, z) − ‖θ − y‖² / 2γ₁ − ‖λ − z‖² / 2γ₂ ≥ 0.
/// λ = max(0, z + γ₂ c(x, y)); θ follows by projected descent; (x, y, z) descend f / c_k + G:
///   d_x = ∇_x f/c_k + ∇_x L(x, y, λ) − ∇_x L(x, θ, z)
///   d_y = ∇_y f/c_k + ∇_y L(x, y, λ) − (y − θ)/γ₁
///   d_z = (λ − z)/γ₂ − c(x, θ),   z cut to [0, z_max]
///   Bias  O(1/c_k).   Cost  one gradient of f, inner_steps + 2 of the Lagrangian, counted as those of g.
struct GapPenalty {
  std::int64_t inner_steps = 5;
  double lr_theta = 0.1, lr_x = 0.02, lr_y = 0.02, lr_z = 0.02;
  double gamma_primal = 1, gamma_dual = 1, z_max = 100;
  Power c = {1, -0.25};

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y y, theta;
    leaf_t<X> z;  // multipliers: (number of constraints)
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f before the last step
    double gap = std::numeric_limits<double>::quiet_NaN();    // G before the last step, from below by θ
    OracleCounts counts = {};
  };
  /// The multipliers begin at zero.
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y, std::int64_t constraints) const {
    require(inner_steps > 0 && gamma_primal > 0 && gamma_dual > 0 && c.rate > 0 && z_max > 0,
            "gap penalty: ", inner_steps, " inner steps, gammas ", gamma_primal, " and ", gamma_dual, ", c ", c.rate,
            ", z_max ", z_max);
    return {x, y, y, leaf_t<X>::zeros(Shape{constraints})};
  }

  /// constraints(x, y) → c, on any value type: (number of constraints).
  template <class P, class C, Tree X, Tree Y>
  void step(Oracle<P>& oracle, const C& constraints, State<X, Y>& s) const {
    using V = leaf_t<X>;
    using T = scalar_t<V>;
    const detail::Counting counting(oracle, s.counts);
    const auto& p = oracle.problem();
    const V z = s.z;
    const auto lagrangian = [&](const V& multipliers) {
      return [&p, &constraints, multipliers](const auto& x, const auto& y) {
        return add(p.lower(x, y), sum(mul(constraints(x, y), multipliers)));
      };
    };
    const Problem at_z{p.upper, lagrangian(z)};
    Oracle held(at_z);
    for (std::int64_t t = 0; t < inner_steps; ++t) {
      Y d = held.lower_gradient(s.x, s.theta);
      axpy_(1 / gamma_primal, s.theta, d);
      axpy_(-1 / gamma_primal, s.y, d);
      detail::projected_step_(p.lower_set, lr_theta, d, s.theta);
    }
    const V at_y = constraints(s.x, s.y), at_theta = constraints(s.x, s.theta);
    expect(at_y.shape() == z.shape(), "gap penalty: ", at_y.shape(), " constraints, ", z.shape(), " multipliers");
    V lambda(z.shape()), d_z(z.shape());
    double apart_dual = 0;
    for (std::int64_t i = 0; i < z.size(); ++i) {
      const T moved = z(i) + T(gamma_dual) * at_y(i);
      lambda(i) = moved < 0 ? T(0) : moved;  // NaN stays
      d_z(i) = (lambda(i) - z(i)) / T(gamma_dual) - at_theta(i);
      apart_dual += double(lambda(i) - z(i)) * double(lambda(i) - z(i));
    }
    const Problem at_lambda{p.upper, lagrangian(lambda)};
    Oracle free(at_lambda);
    const auto f = oracle.upper_gradients(s.x, s.y);
    auto d = free.lower_gradients(s.x, s.y);
    const auto below = held.lower_gradients(s.x, s.theta);
    Y apart = clone(s.y);
    axpy_(-1, s.theta, apart);
    s.value = f.value;
    s.gap = d.value - below.value - inner(apart, apart) / (2 * gamma_primal) - apart_dual / (2 * gamma_dual);

    const double weight = 1 / c.at(s.step);
    axpy_(weight, f.x, d.x);
    axpy_(-1, below.x, d.x);
    axpy_(weight, f.y, d.y);
    axpy_(-1 / gamma_primal, apart, d.y);
    detail::projected_step_(p.upper_set, lr_x, d.x, s.x);
    detail::projected_step_(p.lower_set, lr_y, d.y, s.y);
    detail::projected_step_(Box{0, z_max}, lr_z, d_z, s.z);
    oracle.counts.lower_gradients += held.counts.lower_gradients + free.counts.lower_gradients;
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
