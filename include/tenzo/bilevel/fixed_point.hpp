// Hypergradients at a fixed point y = T(x, y) of a step map.
#pragma once

#include "tenzo/bilevel/unroll.hpp"
#include "tenzo/solve/krylov.hpp"

namespace tenzo::bilevel {

/// ∇F = ∇_x f + (∂_xT)ᵀ u,  (I − ∂_yT)ᵀ u = ∇_y f, for a contraction T; with a projected step also where the lower set
/// has curvature.
///   solve   for an operator that is not symmetric: Gmres, BiCgStab, or Neumann{.alpha = 1}
template <class P, Tree X, Tree Y, StepMap Step, class Solver = Gmres>
Hypergradient<X, Y> fixed_point_gradient(Oracle<P>& oracle, const X& x, const Y& y, const Step& step,
                                         const Solver& solve = {}, const Y& start = {}) {
  static_assert(Step::moments == 0, "tenzo: a fixed point is of a step without moments");
  const OracleCounts before = oracle.counts;
  Hypergradient<X, Y> h;
  UpperGradients<X, Y> f = oracle.upper_gradients(x, y);
  State<Y, 1> s{y};
  const Y next = detail::next_state(oracle, step, x, s, 0)[0];
  h.report.lower_gradient = norm(detail::plus_scaled(next, -1, y));
  LinearSolution<Y> u = solve(
      [&](const Y& v) {
        const auto pulled = detail::pull_back(oracle, step, x, s, 0, State<Y, 1>{v});
        return detail::plus_scaled(v, -1, pulled.state[0]);
      },
      f.y, start);
  h.report.linear = u.report;
  h.value = f.value;
  h.solution = y;
  h.direct = clone(f.x);
  h.gradient = std::move(f.x);
  axpy_(1, detail::pull_back(oracle, step, x, s, 0, State<Y, 1>{u.x}).x, h.gradient);
  h.adjoint = std::move(u.x);
  h.report.counts = oracle.counts - before;
  return h;
}

}  // namespace tenzo::bilevel
