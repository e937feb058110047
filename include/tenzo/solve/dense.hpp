// Operators written out as matrices: for a few hundred unknowns, and to compare the others with.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>

#include "tenzo/solve/linear.hpp"
#include "tenzo/tree/ravel.hpp"

namespace tenzo {

/// A's matrix in double precision, from its products with the unit vectors of `form`.
template <Tree V, LinearOperator<V> A>
Eigen::MatrixXd matrix_of(A&& a, const V& form) {
  using L = leaf_t<V>;
  const std::int64_t n = count_elements(form);
  Eigen::MatrixXd m;
  for (std::int64_t i = 0; i < n; ++i) {
    L unit = L::zeros(Shape{n});
    unit(i) = 1;
    const L column = ravel(a(unravel(unit, form)));
    if (i == 0) m.resize(column.size(), n);
    for (std::int64_t j = 0; j < column.size(); ++j) m(j, i) = double(column(j));
  }
  return m;
}

namespace detail {

template <Tree V>
Eigen::VectorXd eigen_vector(const V& v) {
  const auto flat = ravel(v);
  Eigen::VectorXd e(flat.size());
  for (std::int64_t i = 0; i < flat.size(); ++i) e[i] = double(flat(i));
  return e;
}

template <Tree V>
V tree_of(const Eigen::VectorXd& e, const V& like) {
  using L = leaf_t<V>;
  L flat(Shape{std::int64_t(e.size())});
  for (std::int64_t i = 0; i < flat.size(); ++i) flat(i) = scalar_t<L>(e[i]);
  return unravel(flat, like);
}

}  // namespace detail

/// Solves with A's matrix by LU with complete pivoting.
///   Cost    n products and n³.   Errors   a singular A gives a least-squares solution and the residual that remains.
struct DenseSolver {
  double damping = 0;

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& = {}) const {
    LinearSolution<V> s;
    const detail::Damped<std::remove_reference_t<A>> product{a, damping, s.report};
    const Eigen::MatrixXd m = matrix_of(product, b);
    const Eigen::VectorXd rhs = detail::eigen_vector(b);
    const Eigen::VectorXd x = m.completeOrthogonalDecomposition().solve(rhs);
    s.x = detail::tree_of(x, b);
    s.report.residual = detail::relative((rhs - m * x).norm(), rhs.norm());
    s.report.smallest_ritz = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>((m + m.transpose()) / 2).eigenvalues()[0];
    s.report.negative_curvature = s.report.smallest_ritz < 0;
    s.report.converged = s.report.residual <= 1e-8;
    return s;
  }
};

}  // namespace tenzo
