// Hypergradients by the implicit function theorem.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "tenzo/bilevel/hypergradient.hpp"
#include "tenzo/bilevel/problem.hpp"
#include "tenzo/solve/cg.hpp"
#include "tenzo/solve/krylov.hpp"
#include "tenzo/solve/linear.hpp"

namespace tenzo::bilevel {

struct ImplicitOptions {
  /// Largest ‖y − y*‖ / ‖y‖, as far as it is known, that passes without a warning: the formula holds at y*, and what an
  /// inner solver left undone is an error of the hypergradient that no step size of differences shows.
  double lower_tolerance = 1e-3;
  double residual_tolerance = 1e-2;  // of the linear equation
  /// Scale of the gradient step by which the active constraints are found: y = Π(y − scale ∇_y g).
  double step = 1;
};

/// The hypergradient at (x, y), y near y*(x):  ∇F = ∇_x f + M v,  H v = −∇_y f,  H = ∇²_yy g,  M = ∇²_xy g.
///   solve   how H v = −∇_y f is solved: Cg (symmetric positive definite), NormalCg, Gmres, BiCgStab, Neumann,
///           DenseSolver, IdentityInverse or a callable like these
///   start   v of the hypergradient before, to begin from
///   Where y lies on a face of a polyhedral lower set, H v = −∇_y f is solved along the face: active bounds do not
///   move.
///   Cost    a gradient of f, one of g, a Hessian product an iteration and a cross product; no Hessian is formed.
template <class P, Tree X, Tree Y, class Solver = Cg>
Hypergradient<X, Y> implicit_gradient(Oracle<P>& oracle, const X& x, const Y& y, const Solver& solve = {},
                                      const Y& start = {}, const ImplicitOptions& o = {}) {
  const OracleCounts before = oracle.counts;
  Hypergradient<X, Y> h;
  UpperGradients<X, Y> f = oracle.upper_gradients(x, y);
  const LowerHessian<P, X, Y> hessian(oracle, x, y);
  const Y g = hessian.gradient();
  Y moved = clone(y);
  axpy_(-o.step, g, moved);
  const auto face = oracle.problem().lower_set.project(moved).face;
  h.report.lower_gradient = norm(face.along(g));

  Y b = clone(face.along(f.y));
  scale_(b, -1);
  LinearSolution<Y> v = solve([&](const Y& u) { return face.along(hessian(face.along(u))); }, b,
                              has_leaves(start) ? face.along(start) : start);
  h.report.linear = v.report;
  h.adjoint = std::move(v.x);
  h.value = f.value;
  h.solution = y;
  h.direct = clone(f.x);
  h.gradient = std::move(f.x);
  axpy_(1, oracle.cross_product(x, y, h.adjoint), h.gradient);
  h.report.counts = oracle.counts - before;

  const LinearReport& linear = h.report.linear;
  if (linear.smallest_ritz == linear.smallest_ritz)
    h.report.lower_error = h.report.lower_gradient / (std::max(linear.smallest_ritz, 0.0) * std::max(norm(y), 1e-300));
  if (face.at_kink()) detail::warn(h.report, "a constraint is active without force: F has no derivative there");
  if (linear.negative_curvature) detail::warn(h.report, "the lower loss is not convex at y");
  if (linear.residual > o.residual_tolerance)
    detail::warn(h.report, cat("the linear equation is left with a residual of ", linear.residual));
  if (h.report.lower_error > o.lower_tolerance)
    detail::warn(h.report, cat("y may be ", h.report.lower_error, " of its norm from the lower minimum"));
  return h;
}

}  // namespace tenzo::bilevel
