// Conjugate gradients, for symmetric positive definite operators and, on the normal equations, for any.
//   Source  Hestenes, Stiefel 1952; Golub, Van Loan, Matrix computations, 11.3.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/solve/linear.hpp"
#include "tenzo/solve/tridiagonal.hpp"

namespace tenzo {

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
    V r;
    std::tie(s.x, r) = detail::residual_at(product, b, start);
    V p;
    double rz = 0, left = norm(r), alpha_before = 0;
    std::vector<double> diagonal, beside;  // of Lanczos' matrix, the second squared
    for (std::int64_t i = 0; i < options.iterations && left > enough; ++i) {
      const auto& z = precondition(r);
      const double rz_now = inner(r, z), beta = i > 0 ? rz_now / rz : 0;
      rz = rz_now;
      if (i == 0) {
        p = clone(z);
      } else {
        scale_(p, beta);
        axpy_(1, z, p);
      }
      const V ap = product(p);
      const double curvature = inner(p, ap);
      if (curvature <= 0) {
        report.negative_curvature = true;
        diagonal.push_back(curvature / inner(p, p));
        if (diagonal.size() > 1) beside.push_back(0);
        break;
      }
      const double alpha = rz / curvature;
      // Lanczos' matrix of the same recurrence
      diagonal.push_back(1 / alpha + (i > 0 ? beta / alpha_before : 0));
      if (i > 0) beside.push_back(beta / (alpha_before * alpha_before));
      alpha_before = alpha;
      axpy_(alpha, p, s.x);
      axpy_(-alpha, ap, r);
      left = norm(r);
    }
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
    V r;
    std::tie(s.x, r) = detail::residual_at(product, b, start);
    V z = back(r), p = clone(z);
    double zz = inner(z, z), left = norm(r);
    const double stationary = zz;  // Aᵀ r, which vanishes where r can not
    for (std::int64_t i = 0; i < options.iterations && left > enough && zz > 1e-28 * stationary; ++i) {
      const V ap = product(p);
      const double alpha = zz / inner(ap, ap);
      axpy_(alpha, p, s.x);
      axpy_(-alpha, ap, r);
      z = back(r);
      const double now = inner(z, z);
      scale_(p, now / zz);
      axpy_(1, z, p);
      zz = now;
      left = norm(r);
    }
    report.residual = detail::relative(left, size);
    report.converged = left <= enough;
    return s;
  }
};

}  // namespace tenzo
