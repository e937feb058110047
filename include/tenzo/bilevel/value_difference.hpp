// Hypergradients from first derivatives alone: differences of x ↦ min_y (g + ν f) in ν.
//   Source  Kwon, Kwon, Wright, Nowak 2023 (F²SA, the forward difference); arXiv 2509.02937 (F²SA-p).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tenzo/bilevel/first_order.hpp"
#include "tenzo/bilevel/hypergradient.hpp"

namespace tenzo::bilevel {

/// A hypergradient with the two lower solutions that it was taken from.
///   solution   their mean (central), or argmin g (forward)
///   adjoint    their difference quotient: an approximation of the implicit v of the same order
///   report     lower_gradient is the larger of the two projected gradients; linear.residual what they make of
///              ‖H v + ∇_y f‖ / ‖∇_y f‖ at most; linear.smallest_ritz the curvature of g between the two
template <Tree X, Tree Y>
struct ValueDifference : Hypergradient<X, Y> {
  Y plus, minus;         // argmin g + ν f, and argmin g − ν f or argmin g
  bool central = false;  // whether minus is that of −ν
};

namespace detail {

/// min g + ν f at x: where an inner solver ended, and the derivatives there.
template <Tree X, Tree Y>
struct Side {
  double nu;
  Y y;
  UpperGradients<X, Y> f, g;  // f is not asked where ν is zero
};

template <class P, Tree X, Tree Y, class Solve>
Side<X, Y> side_of(Oracle<P>& oracle, const X& x, double nu, const Solve& solve, const Y& start) {
  Side<X, Y> s{nu, solve(oracle, x, nu, start), {}, {}};
  s.g = oracle.lower_gradients(x, s.y);
  if (nu != 0) s.f = oracle.upper_gradients(x, s.y);
  return s;
}

/// ∇_y (g + ν f).
template <Tree X, Tree Y>
Y total(const Side<X, Y>& s, double nu) {
  Y t = clone(s.g.y);
  if (nu != 0) axpy_(nu, s.f.y, t);
  return t;
}

template <class P, Tree X, Tree Y>
ValueDifference<X, Y> difference_of(Oracle<P>& oracle, Side<X, Y> a, Side<X, Y> b) {
  const double width = a.nu - b.nu;
  const auto& set = oracle.problem().lower_set;
  ValueDifference<X, Y> h;
  h.central = b.nu != 0;
  const double left_a = norm(stationarity(set, a.y, total(a, a.nu)));
  const double left_b = norm(stationarity(set, b.y, total(b, b.nu)));
  h.value = a.f.value;
  h.direct = std::move(a.f.x);
  Y slope = std::move(a.f.y);
  h.solution = clone(b.y);
  if (h.central) {
    h.value = (a.f.value + b.f.value) / 2;
    axpy_(1, b.f.x, h.direct);
    scale_(h.direct, 0.5);
    axpy_(1, b.f.y, slope);
    scale_(slope, 0.5);
    axpy_(1, a.y, h.solution);
    scale_(h.solution, 0.5);
  }
  h.gradient = clone(h.direct);
  X across = std::move(a.g.x);
  axpy_(-1, b.g.x, across);
  axpy_(1 / width, across, h.gradient);
  h.adjoint = clone(a.y);
  axpy_(-1, b.y, h.adjoint);
  const double distance = inner(h.adjoint, h.adjoint);
  Report& r = h.report;
  if (distance > 0) {
    Y turn = std::move(a.g.y);
    axpy_(-1, b.g.y, turn);
    r.linear.smallest_ritz = inner(h.adjoint, turn) / distance;
  }
  scale_(h.adjoint, 1 / width);
  r.lower_gradient = left_a >= left_b || left_a != left_a ? left_a : left_b;
  r.linear.residual = tenzo::detail::relative((left_a + left_b) / width, norm(slope));
  r.lower_error = r.lower_gradient / (std::max(r.linear.smallest_ritz, 0.0) * std::max(norm(h.solution), 1e-300));
  h.plus = std::move(a.y);
  h.minus = std::move(b.y);
  return h;
}

template <Tree X, Tree Y>
void judge(ValueDifference<X, Y>& h, double tolerance) {
  LinearReport& linear = h.report.linear;
  linear.converged = linear.residual <= tolerance;
  if (!linear.converged)
    warn(h.report, cat("the inner solver left a residual of ", linear.residual, " in the implicit equation"));
}

}  // namespace detail

struct DifferenceOptions {
  double nu = 1e-2;                  // 1 / λ
  double residual_tolerance = 1e-2;  // a larger residual of the implicit equation, as the report has it, is warned of
};

/// The forward difference, F²SA's direction at λ = 1/ν:  ∇F ≈ ∇_x f(y₊) + [∇_x g(y₊) − ∇_x g(z)] / ν.
///   solve        solve(oracle, x, ν, start) → argmin over the lower set of g + ν f: `PenaltyDescent`, or exact
///   plus, minus  where the two minimisations begin
///   Error        O(ν), and what solve leaves undone over ν.   Cost  two minimisations, one gradient of f, two of g.
template <class P, Tree X, Tree Y, class Solve = PenaltyDescent>
ValueDifference<X, Y> forward_difference(Oracle<P>& oracle, const X& x, const Y& plus, const Y& minus,
                                         const Solve& solve = {}, const DifferenceOptions& o = {}) {
  require(o.nu > 0, "forward difference: nu is ", o.nu);
  const OracleCounts before = oracle.counts;
  auto up = detail::side_of(oracle, x, o.nu, solve, plus);
  auto h = detail::difference_of(oracle, std::move(up), detail::side_of(oracle, x, 0, solve, minus));
  h.report.counts = oracle.counts - before;
  detail::judge(h, o.residual_tolerance);
  return h;
}

/// The central difference, F²SA-2:
///   ∇F ≈ ½ [∇_x f(y₊) + ∇_x f(y₋)] + [∇_x g(y₊) − ∇_x g(y₋)] / 2ν,   y_± = argmin g ± ν f.
///   Error  O(ν²), and what solve leaves undone over ν.   Cost  two minimisations, two gradients of f, two of g.
///   Wants  ν L_f < μ_g: else g − ν f is not convex. Its curvature between y₋ and y₊ comes with the gradients; where
///          it is not positive the forward difference is taken instead, and the report says so.
template <class P, Tree X, Tree Y, class Solve = PenaltyDescent>
ValueDifference<X, Y> central_difference(Oracle<P>& oracle, const X& x, const Y& plus, const Y& minus,
                                         const Solve& solve = {}, const DifferenceOptions& o = {}) {
  require(o.nu > 0, "central difference: nu is ", o.nu);
  const OracleCounts before = oracle.counts;
  auto up = detail::side_of(oracle, x, o.nu, solve, plus);
  auto down = detail::side_of(oracle, x, -o.nu, solve, minus);
  Y way = clone(up.y), turn = detail::total(up, -o.nu);
  axpy_(-1, down.y, way);
  axpy_(-1, detail::total(down, -o.nu), turn);
  const double distance = inner(way, way);
  const bool convex = distance == 0 || inner(way, turn) > 0;  // false of NaN: the descent on g − ν f ran away
  ValueDifference<X, Y> h;
  if (convex) {
    h = detail::difference_of(oracle, std::move(up), std::move(down));
  } else {
    const Y begin = clone(up.y);
    h = detail::difference_of(oracle, std::move(up), detail::side_of(oracle, x, 0, solve, begin));
    h.report.linear.negative_curvature = true;
    detail::warn(h.report, cat("g - nu f is not convex at nu = ", o.nu, ": a forward difference"));
  }
  h.report.counts = oracle.counts - before;
  detail::judge(h, o.residual_tolerance);
  return h;
}

}  // namespace tenzo::bilevel
