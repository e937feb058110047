// Inverses of operators that are close to low rank: solvers without iterations, and preconditioners.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/solve/dense.hpp"

namespace tenzo {

/// H ≈ H_{:,S} H_SS⁻¹ H_{S,:} + δ I from `rank` of its columns, inverted by Woodbury's identity.
///   Cost    `rank` products, once for each call.   Memory   `rank` trees as a matrix.
///   Source  Hataya, Yamada 2023, "Nyström method for accurate and scalable implicit differentiation".
struct Nystrom {
  std::int64_t rank = 10;
  double damping = 1e-2;
  std::uint64_t seed = 1;

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& = {}) const {
    using L = leaf_t<V>;
    require(damping > 0, "Nystrom: the damping is ", damping, "; want more than 0");
    LinearSolution<V> s;
    const std::int64_t n = count_elements(b), k = std::min(rank, n);
    const auto order = permutation(n, NoiseKey{.seed = seed, .step = 0});
    Eigen::MatrixXd columns(n, k), core(k, k);
    for (std::int64_t j = 0; j < k; ++j) {
      L unit = L::zeros(Shape{n});
      unit(order[std::size_t(j)]) = 1;
      columns.col(j) = detail::eigen_vector(V(a(unravel(unit, b))));
      ++s.report.products;
    }
    for (std::int64_t j = 0; j < k; ++j) core.row(j) = columns.row(order[std::size_t(j)]);
    core = (core + core.transpose()) / 2;
    // (C K⁻¹ Cᵀ + δ I)⁻¹ b = (b − C (δ K + Cᵀ C)⁻¹ Cᵀ b) / δ
    const Eigen::VectorXd rhs = detail::eigen_vector(b);
    const Eigen::MatrixXd inside = damping * core + columns.transpose() * columns;
    const Eigen::VectorXd x =
        (rhs - columns * inside.completeOrthogonalDecomposition().solve(columns.transpose() * rhs)) / damping;
    s.x = detail::tree_of(x, b);
    return s;
  }
};

/// The empirical Fisher matrix of per-sample gradients, F = G Gᵀ / n + δ I, inverted exactly: an n × n equation.
///   F⁻¹ b = (b − G (n δ I + Gᵀ G)⁻¹ Gᵀ b) / δ.
///   Source  Singh, Alistarh 2020 (WoodFisher).
template <Tree V>
struct EmpiricalFisher {
  std::vector<V> gradients;
  double damping = 1e-3;

  /// F⁻¹ b; as a LinearSolver it stands for the Hessian and asks for no products.
  V inverse(const V& b) const {
    require(damping > 0, "empirical Fisher: the damping is ", damping, "; want more than 0");
    const auto n = Eigen::Index(gradients.size());
    Eigen::MatrixXd gram(n, n);
    Eigen::VectorXd along(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      along[i] = inner(gradients[std::size_t(i)], b);
      for (Eigen::Index j = 0; j <= i; ++j)
        gram(i, j) = gram(j, i) = inner(gradients[std::size_t(i)], gradients[std::size_t(j)]);
    }
    gram.diagonal().array() += double(n) * damping;
    const Eigen::VectorXd c = gram.ldlt().solve(along);
    V x = clone(b);
    for (Eigen::Index i = 0; i < n; ++i) axpy_(-c[i], gradients[std::size_t(i)], x);
    scale_(x, 1 / damping);
    return x;
  }
  template <LinearOperator<V> A>
  LinearSolution<V> operator()(A&&, const V& b, const V& = {}) const {
    return {inverse(b), {}};
  }
  const V operator()(const V& r) const { return inverse(r); }  // as a preconditioner
};

/// The Kronecker-factored curvature of one linear layer, A ⊗ S with A = E a aᵀ of its inputs and S = E s sᵀ of the
/// cotangents of its outputs:  (S + √δ/π I)⁻¹ V (A + π √δ I)⁻¹ for V (out, in), π² = (tr A / in) / (tr S / out).
///   Source  Martens, Grosse 2015.
struct KroneckerFactors {
  Eigen::MatrixXd a;  // (in, in)
  Eigen::MatrixXd s;  // (out, out)
  double damping = 1e-3;

  /// From inputs (n, in) and cotangents of the outputs of the summed loss (n, out).
  template <Real T>
  static KroneckerFactors of(const Tensor<T>& inputs, const Tensor<T>& cotangents, double damping) {
    const Eigen::MatrixXd x = inputs.matrix().template cast<double>(), g = cotangents.matrix().template cast<double>();
    require(x.rows() == g.rows() && x.rows() > 0, "Kronecker factors: ", x.rows(), " inputs and ", g.rows(),
            " outputs");
    return {x.transpose() * x / double(x.rows()), g.transpose() * g / double(g.rows()), damping};
  }
  double balance() const {
    const double of_a = a.trace() / double(a.rows()), of_s = s.trace() / double(s.rows());
    return of_a > 0 && of_s > 0 ? std::sqrt(of_a / of_s) : 1;
  }
  template <Real T>
  Tensor<T> inverse(const Tensor<T>& v) const {
    expect(v.rank() == 2 && v.shape()[0] == s.rows() && v.shape()[1] == a.rows(), "Kronecker factors: of a layer ",
           a.rows(), " to ", s.rows(), "; the weight is ", v.shape());
    const double pi = balance(), root = std::sqrt(damping);
    const Eigen::MatrixXd in = a + pi * root * Eigen::MatrixXd::Identity(a.rows(), a.rows());
    const Eigen::MatrixXd out = s + root / pi * Eigen::MatrixXd::Identity(s.rows(), s.rows());
    const Eigen::MatrixXd left = out.ldlt().solve(Eigen::MatrixXd(v.matrix().template cast<double>()));
    const Eigen::MatrixXd x = in.ldlt().solve(left.transpose()).transpose();
    Tensor<T> y(v.shape());
    for (std::int64_t i = 0; i < y.shape()[0]; ++i)
      for (std::int64_t j = 0; j < y.shape()[1]; ++j) y(i, j) = T(x(i, j));
    return y;
  }
};

}  // namespace tenzo
