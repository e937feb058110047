// F²SA-p: hypergradients from first derivatives alone, to any order in ν.
//   Source  arXiv 2509.02937 (F²SA-p).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tenzo/bilevel/stencil.hpp"
#include "tenzo/bilevel/value_difference.hpp"

namespace tenzo::bilevel {

/// A hypergradient with the lower solutions that it was taken from.
///   points     argmin g + jν f for each node j of the central stencil
///   solution   Σ j w_j y_j, their mean to the order: y* up to O(ν^p), and the direct part and the value likewise
///   adjoint    Σ w_j y_j / ν: the implicit v up to O(ν^p)
///   central    whether the negative nodes were of use
///   report     lower_gradient is the largest of the projected gradients; linear.residual what they make of
///              ‖H v + ∇_y f‖ / ‖∇_y f‖ at most; linear.smallest_ritz the least curvature of g between neighbours
template <Tree X, Tree Y>
struct StencilDifference : Hypergradient<X, Y> {
  std::vector<Y> points;
  bool central = true;
};

namespace detail {

template <class P, Tree X, Tree Y, class Solve>
std::vector<Side<X, Y>> sides_of(Oracle<P>& oracle, const X& x, double nu, const Stencil& stencil, const Solve& solve,
                                 const std::vector<Y>& starts) {
  std::vector<Side<X, Y>> sides;
  for (std::size_t j = 0; j < stencil.nodes.size(); ++j)
    sides.push_back(side_of(oracle, x, nu * stencil.nodes[j], solve, starts[starts.size() == 1 ? 0 : j]));
  return sides;
}

/// ⟨b − a, ∇_y (g + ν f)(b) − ∇_y (g + ν f)(a)⟩ / ‖b − a‖²; infinite where both are one point.
template <Tree X, Tree Y>
double curvature_between(const Side<X, Y>& a, const Side<X, Y>& b, double nu) {
  Y way = clone(b.y), turn = total(b, nu);
  axpy_(-1, a.y, way);
  axpy_(-1, total(a, nu), turn);
  const double distance = inner(way, way);
  return distance == 0 ? std::numeric_limits<double>::infinity() : inner(way, turn) / distance;
}

template <class P, Tree X, Tree Y>
StencilDifference<X, Y> stencil_difference(Oracle<P>& oracle, const Stencil& stencil, double nu,
                                           std::vector<Side<X, Y>> sides) {
  StencilDifference<X, Y> h;
  const Side<X, Y>& some = sides.front();
  h.gradient = zeros_like(some.g.x), h.direct = zeros_like(some.g.x);
  h.solution = zeros_like(some.y), h.adjoint = zeros_like(some.y);
  Y slope = zeros_like(some.y);
  double left = 0, largest = 0, curvature = std::numeric_limits<double>::infinity();
  for (std::size_t j = 0; j < sides.size(); ++j) {
    const Side<X, Y>& s = sides[j];
    const double w = stencil.weights[j], share = w * stencil.nodes[j];
    const double apart = norm(stationarity(oracle.problem().lower_set, s.y, total(s, s.nu)));
    left += std::abs(w) * apart / nu;
    largest = apart <= largest ? largest : apart;  // NaN stays
    if (s.nu != 0) {
      h.value += share * s.f.value;
      axpy_(share, s.f.x, h.direct);
      axpy_(share, s.f.y, slope);
    }
    axpy_(share, s.y, h.solution);
    axpy_(w / nu, s.y, h.adjoint);
    axpy_(w / nu, s.g.x, h.gradient);
    if (j > 0) {
      const double here = curvature_between(sides[j - 1], s, 0);
      curvature = here >= curvature ? curvature : here;
    }
  }
  axpy_(1, h.direct, h.gradient);
  Report& r = h.report;
  r.lower_gradient = largest;
  r.linear.residual = tenzo::detail::relative(left, norm(slope));
  if (std::isfinite(curvature)) r.linear.smallest_ritz = curvature;
  r.lower_error = r.lower_gradient / (std::max(r.linear.smallest_ritz, 0.0) * std::max(norm(h.solution), 1e-300));
  for (Side<X, Y>& s : sides) h.points.push_back(std::move(s.y));
  return h;
}

}  // namespace detail

struct StencilOptions {
  double nu = 0.1;
  int order = 4;                     // p
  double residual_tolerance = 1e-2;  // a larger residual of the implicit equation, as the report has it, is warned of
};

/// F²SA-p:  ∇F ≈ Σ_j w_j [jν ∇_x f(x, y_j) + ∇_x g(x, y_j)] / ν,  y_j = argmin g + jν f, over the nodes of
/// `central_stencil(p)`: the derivative by ν of ∇_x min_y (g + ν f), which is ∇F at ν = 0.
///   solve    solve(oracle, x, ν, start) → argmin over the lower set of g + ν f: `PenaltyDescent`, or exact
///   starts   where the minimisations begin: a tree for each node, or one for all
///   Error    O(ν^p) for losses p + 1 times smooth, and Σ |w_j| times what solve leaves undone over ν.
///   Cost     p minimisations, gradients of f and of g for even p; p + 1 for odd ones, but p of f.
///   Wants    jν L_f < μ_g at the lowest node −j: else g − jν f is not convex. Its curvature between neighbours comes
///            with the gradients; where it is not positive the one-sided difference of the order is taken instead,
///            which takes p + 1 minimisations more, and the report says so.
template <class P, Tree X, Tree Y, class Solve = PenaltyDescent>
StencilDifference<X, Y> high_order_difference(Oracle<P>& oracle, const X& x, const std::vector<Y>& starts,
                                              const Solve& solve = {}, const StencilOptions& o = {}) {
  require(o.nu > 0, "high-order difference: nu is ", o.nu);
  const Stencil stencil = central_stencil(o.order);
  require(starts.size() == 1 || starts.size() == stencil.nodes.size(), "high-order difference: ", starts.size(),
          " starts for ", stencil.nodes.size(), " nodes; want as many, or one");
  const OracleCounts before = oracle.counts;
  auto sides = detail::sides_of(oracle, x, o.nu, stencil, solve, starts);
  bool convex = true;
  if (const int lowest = stencil.nodes.front(); lowest < 0) {
    const detail::Side<X, Y>* before_it = nullptr;
    for (const auto& side : sides) {
      if (side.nu == 0) continue;  // f is not known there
      if (before_it)               // false of NaN: a descent ran away
        convex = convex && detail::curvature_between(*before_it, side, lowest * o.nu) > 0;
      before_it = &side;
    }
  }
  StencilDifference<X, Y> h;
  if (convex) {
    h = detail::stencil_difference(oracle, stencil, o.nu, std::move(sides));
  } else {
    const Stencil forward = forward_stencil(o.order);
    const Y begin = clone(sides.back().y);
    h = detail::stencil_difference(oracle, forward, o.nu,
                                   detail::sides_of(oracle, x, o.nu, forward, solve, std::vector<Y>{begin}));
    h.central = false;
    h.report.linear.negative_curvature = true;
    detail::warn(h.report,
                 cat("g - ", -stencil.nodes.front(), " nu f is not convex at nu = ", o.nu, ": a one-sided difference"));
    std::vector<Y> kept;  // what the next difference can begin from: of negative nodes, argmin g
    for (const int node : stencil.nodes) kept.push_back(clone(h.points[std::size_t(std::max(node, 0))]));
    h.points = std::move(kept);
  }
  h.report.counts = oracle.counts - before;
  LinearReport& linear = h.report.linear;
  linear.converged = linear.residual <= o.residual_tolerance;
  if (!linear.converged)
    detail::warn(h.report, cat("the inner solver left a residual of ", linear.residual, " in the implicit equation"));
  return h;
}

/// x ← Π(x − ξ_k h), h the difference of order p at ν_k from the lower points of the step before.
///   normalised   h / ‖h‖ instead of h, as in the paper: the length of a step does not depend on that of h
///   inner        how g + jν f are minimised; their error is multiplied by Σ |w_j| / ν
///   Bias         O(ν^p) in the hypergradient.
struct HighOrderF2sa {
  PenaltyDescent inner = {};
  Power nu = {0.1}, lr_x = {0.1};
  int order = 4;
  bool normalised = false;

  template <Tree X, Tree Y>
  struct State {
    X x;
    std::vector<Y> points;  // by node
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f before the last step of x
    Report report = {};                                       // of the last hypergradient
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(nu.rate > 0 && lr_x.rate > 0, "high-order f2sa: nu ", nu.rate, ", steps of ", lr_x.rate);
    return {x, std::vector<Y>(central_stencil(order).nodes.size(), y)};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    step(oracle, s, inner);
  }
  /// With another inner solver, called as `PenaltyDescent` is.
  template <class P, Tree X, Tree Y, class Solve>
  void step(Oracle<P>& oracle, State<X, Y>& s, const Solve& solve) const {
    const detail::Counting counting(oracle, s.counts);
    auto h = high_order_difference(oracle, s.x, s.points, solve, {.nu = nu.at(s.step), .order = order});
    s.points = std::move(h.points);
    s.value = h.value;
    s.report = std::move(h.report);
    double rate = lr_x.at(s.step);
    if (const double size = norm(h.gradient); normalised && size > 0) rate /= size;
    detail::projected_step_(oracle.problem().upper_set, rate, h.gradient, s.x);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
