// Linear equations A x = b between trees, where A is known by its products alone.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>

#include "tenzo/tree/algebra.hpp"

namespace tenzo {

/// v → A v for trees of one form.
template <class A, class V>
concept LinearOperator = requires(A& a, const V& v) {
  { a(v) } -> std::convertible_to<V>;
};

/// What a solver says of its work.
struct LinearReport {
  std::int64_t products = 0;                                   // with A, or with Aᵀ
  double residual = std::numeric_limits<double>::quiet_NaN();  // ‖b − A x‖ / ‖b‖; zero where b is
  double smallest_ritz =
      std::numeric_limits<double>::quiet_NaN();  // of a symmetric A without the damping, seen from above
  bool converged = false;
  bool negative_curvature = false;  // pᵀ A p ≤ 0 was met: A is not positive definite
};

template <Tree V>
struct LinearSolution {
  V x;
  LinearReport report;
};

/// When to stop: ‖b − A x‖ ≤ max(rtol ‖b‖, atol), or after `iterations`.
struct LinearOptions {
  std::int64_t iterations = 20;
  double rtol = 1e-6, atol = 0;
  double damping = 0;  // solves (A + damping I) x = b
};

/// How a solver is called: A's products, b, and where to begin; an undefined start is zero.
template <class S, class V>
concept LinearSolver = requires(const S& s, V (&a)(const V&), const V& b) {
  { s(a, b, b) } -> std::convertible_to<LinearSolution<V>>;
};

namespace detail {

/// A's products with the damping added, counted.
template <class A>
struct Damped {
  A& a;
  double damping;
  LinearReport& report;

  template <Tree V>
  V operator()(const V& v) const {
    ++report.products;
    V y = a(v);
    own_leaves_(y);
    if (damping != 0) axpy_(damping, v, y);
    return y;
  }
};

/// The start and its residual b − A x, for which no product is spent where x is zero.
template <class A, Tree V>
std::pair<V, V> residual_at(const A& a, const V& b, const V& start) {
  if (!has_leaves(start) || norm(start) == 0) return {zeros_like(b), clone(b)};
  V r = clone(b);
  axpy_(-1, a(start), r);
  return {clone(start), std::move(r)};
}

inline double relative(double residual, double of) { return of > 0 ? residual / of : residual; }

}  // namespace detail

}  // namespace tenzo
