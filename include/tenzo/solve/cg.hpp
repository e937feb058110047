// Conjugate gradients, for symmetric positive definite operators and, on the normal equations, for any.
//   Source  Hestenes, Stiefel 1952; Golub, Van Loan, Matrix computations, 11.3.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/solve/linear.hpp"
#include "tenzo/solve/tridiagonal.hpp"

namespace tenzo {

namespace detail {

/// The recurrence of conjugate gradients, the one place where it stands. Vectors V, numbers S, and how they are
/// computed with:
///   copied(z)                  a V that may be changed
///   add_(y, a, x)              y += a x
///   subtract_(y, a, x)         y −= a x
///   turn_(p, beta, z)          p ← z + β p
///   quotient(a, b)             a / b
template <class Arithmetic, class V, class S>
struct CgRecurrence {
  V x, r;     // the iterate and its residual
  V p = {};   // the direction, once there is one
  S rz = {};  // ⟨r, z⟩ where it was made
  bool begun = false;

  /// p ← z + β p for z = M⁻¹ r, β = ⟨r, z⟩ beside what it was before. Returns β, at first none.
  S turn(const V& z, const S& now) {
    S beta{};
    if (begun) {
      beta = Arithmetic::quotient(now, rz);
      Arithmetic::turn_(p, beta, z);
    } else {
      p = Arithmetic::copied(z);
      begun = true;
    }
    rz = now;
    return beta;
  }
  /// x += α p, r −= α A p for α = ⟨r, z⟩ / ⟨p, A p⟩. Returns α.
  S advance(const V& ap, const S& curvature) {
    const S alpha = Arithmetic::quotient(rz, curvature);
    Arithmetic::add_(x, alpha, p);
    Arithmetic::subtract_(r, alpha, ap);
    return alpha;
  }
};

/// Trees changed in place, and numbers of the host.
struct InPlace {
  template <Tree V>
  static V copied(const V& z) {
    return clone(z);
  }
  template <Tree V>
  static void add_(V& y, double a, const V& x) {
    axpy_(a, x, y);
  }
  template <Tree V>
  static void subtract_(V& y, double a, const V& x) {
    axpy_(-a, x, y);
  }
  template <Tree V>
  static void turn_(V& p, double beta, const V& z) {
    scale_(p, beta);
    axpy_(1, z, p);
  }
  static double quotient(double a, double b) { return a / b; }
};

}  // namespace detail

/// Preconditioning by nothing.
struct NoPreconditioner {
  template <Tree V>
  const V& operator()(const V& r) const {
    return r;
  }
};

/// Conjugate gradients for symmetric positive definite A, with a preconditioner M⁻¹ that is, too.
///   Where pᵀ A p ≤ 0 it stops with what it has and says so. The smallest Ritz value is an upper estimate of A's
///   smallest eigenvalue; there is none with a preconditioner. Cost    a product, two inner products and three updates
///   an iteration.   Memory   four trees.
struct Cg {
  LinearOptions options = {};

  template <Tree V, LinearOperator<V> A, class M = NoPreconditioner>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}, const M& precondition = {}) const {
    LinearSolution<V> s;
    LinearReport& report = s.report;
    const detail::Damped<std::remove_reference_t<A>> product{a, options.damping, report};
    const double size = norm(b), enough = std::max(options.rtol * size, options.atol);
    auto [x, r] = detail::residual_at(product, b, start);
    detail::CgRecurrence<detail::InPlace, V, double> at{std::move(x), std::move(r)};
    double left = norm(at.r), alpha_before = 0;
    std::vector<double> diagonal, beside;  // of Lanczos' matrix, the second squared
    for (std::int64_t i = 0; i < options.iterations && left > enough; ++i) {
      const auto& z = precondition(at.r);
      const double beta = at.turn(z, inner(at.r, z));
      const V ap = product(at.p);
      const double curvature = inner(at.p, ap);
      if (curvature <= 0) {
        report.negative_curvature = true;
        diagonal.push_back(curvature / inner(at.p, at.p));
        if (diagonal.size() > 1) beside.push_back(0);
        break;
      }
      const double alpha = at.advance(ap, curvature);
      // Lanczos' matrix of the same recurrence
      diagonal.push_back(1 / alpha + (i > 0 ? beta / alpha_before : 0));
      if (i > 0) beside.push_back(beta / (alpha_before * alpha_before));
      alpha_before = alpha;
      left = norm(at.r);
    }
    s.x = std::move(at.x);
    report.residual = detail::relative(left, size);
    report.converged = left <= enough;
    if constexpr (std::is_same_v<M, NoPreconditioner>)  // else the matrix is that of M⁻¹ A
      report.smallest_ritz = smallest_eigenvalue(diagonal, beside) - options.damping;
    return s;
  }
};

/// Conjugate gradients with a preconditioner, r ↦ M⁻¹ r, where a solver is asked for.
template <class M>
struct PreconditionedCg {
  M precondition;
  LinearOptions options = {};

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}) const {
    return Cg{options}(a, b, start, precondition);
  }
};
template <class M>
PreconditionedCg(M, LinearOptions) -> PreconditionedCg<M>;
template <class M>
PreconditionedCg(M) -> PreconditionedCg<M>;

/// Least squares min ‖A x − b‖ by conjugate gradients on Aᵀ A x = Aᵀ b: for any A, singular ones included, of which it
/// gives the solution of least norm when begun at zero. Without a transpose A is taken to be symmetric.
///   Cost    a product with A and one with Aᵀ an iteration; its condition number is that of A squared.
struct NormalCg {
  LinearOptions options = {};

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}) const {
    return solve(a, a, b, start);
  }
  template <Tree V, LinearOperator<V> A, LinearOperator<V> At>
  LinearSolution<V> solve(A&& a, At&& transposed, const V& b, const V& start = {}) const {
    LinearSolution<V> s;
    LinearReport& report = s.report;
    const detail::Damped<std::remove_reference_t<A>> product{a, options.damping, report};
    const detail::Damped<std::remove_reference_t<At>> back{transposed, options.damping, report};
    const double size = norm(b), enough = std::max(options.rtol * size, options.atol);
    auto [x, r] = detail::residual_at(product, b, start);
    detail::CgRecurrence<detail::InPlace, V, double> at{std::move(x), std::move(r)};
    const auto turn = [&] {
      const V z = back(at.r);
      at.turn(z, inner(z, z));
    };
    turn();
    double left = norm(at.r);
    const double stationary = at.rz;  // Aᵀ r, which vanishes where r can not
    for (std::int64_t i = 0; i < options.iterations && left > enough && at.rz > 1e-28 * stationary; ++i) {
      const V ap = product(at.p);
      at.advance(ap, inner(ap, ap));
      turn();
      left = norm(at.r);
    }
    s.x = std::move(at.x);
    report.residual = detail::relative(left, size);
    report.converged = left <= enough;
    return s;
  }
};

}  // namespace tenzo
