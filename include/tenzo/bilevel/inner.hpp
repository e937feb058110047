// Lower-level solvers: y near argmin g(x, ·), until a stated residual.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/bilevel/first_order.hpp"
#include "tenzo/bilevel/unroll.hpp"
#include "tenzo/optim/lbfgs.hpp"

namespace tenzo::bilevel {

/// When a lower solver stops: at ‖y − Π(y − ∇_y g)‖ ≤ tolerance (‖∇_y g‖ without constraints), or after `steps`.
struct InnerOptions {
  double tolerance = 1e-8;
  std::int64_t steps = 100;
};

template <Tree Y>
struct InnerSolution {
  Y y;
  std::int64_t steps = 0;
  double residual = std::nan("");  // of the last y that was looked at
  bool converged = false;
};

/// ‖y − Π(y − ∇_y g)‖, zero exactly at minima of a convex g.
template <class P, Tree X, Tree Y>
double lower_residual(Oracle<P>& oracle, const X& x, const Y& y) {
  return norm(detail::stationarity(oracle.problem().lower_set, y, oracle.lower_gradient(x, y)));
}

/// Steps of a step map, begun at y: gradient steps, momentum, Adam, signs, projected where the lower set is one.
///   Cost   two gradients a step: one to judge, one to go.
template <class P, Tree X, Tree Y, StepMap Step>
InnerSolution<Y> solve_lower(Oracle<P>& oracle, const X& x, const Y& y, const Step& step, const InnerOptions& o = {}) {
  InnerSolution<Y> out;
  auto s = detail::first_state(step, y);
  for (;; ++out.steps) {
    out.residual = lower_residual(oracle, x, s[0]);
    out.converged = out.residual <= o.tolerance;
    if (out.converged || out.steps >= o.steps) break;
    s = detail::next_state(oracle, step, x, s, out.steps);
  }
  out.y = s[0];
  return out;
}

/// L-BFGS from y, for smooth lower losses without constraints.
template <class P, Tree X, Tree Y>
InnerSolution<Y> solve_lower(Oracle<P>& oracle, const X& x, const Y& y, const Lbfgs& method,
                             const InnerOptions& o = {}) {
  static_assert(detail::unbounded<decltype(oracle.problem().lower_set)>,
                "tenzo: L-BFGS minimises without constraints; take a projected step map");
  InnerSolution<Y> out;
  out.y = clone(y);
  Lbfgs::State<Y> s;
  const auto f = [&](const Y& at) {
    ++oracle.counts.lower_gradients;
    return value_and_grad(
        [&](const auto& q) { return lift<leaf_t<std::remove_cvref_t<decltype(q)>>>(oracle.problem().lower(x, q)); },
        at);
  };
  do {
    method.step(s, out.y, f);
    ++out.steps;
    out.residual = norm(s.gradient);
    out.converged = out.residual <= o.tolerance;
  } while (!out.converged && !s.stuck && out.steps < o.steps);
  return out;
}

}  // namespace tenzo::bilevel
