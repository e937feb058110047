// Inverses of operators that are close to low rank: solvers without iterations, and preconditioners.
#pragma once

#include <Eigen/Dense>

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

/// The same inverse from gradients that come one by one and need not stay:
///   F₀ = δ I,  F_{k+1}⁻¹ = F_k⁻¹ − u_k u_kᵀ / (n + ⟨g_k, u_k⟩),  u_k = F_k⁻¹ g_k.
///   count    n, how many gradients there will be; with fewer it is the inverse of δ I + Σ g gᵀ / n
///   Cost     k inner products for the k-th gradient, and for an inverse.   Memory  u of each.
///   Source   Singh, Alistarh 2020 (WoodFisher), the recursion of Hassibi, Stork 1993.
template <Tree V>
class StreamedFisher {
 public:
  StreamedFisher(std::int64_t count, double damping) : count_(count), damping_(damping) {
    require(count > 0 && damping > 0, "streamed Fisher: of ", count, " gradients, damped by ", damping,
            "; want positive numbers");
  }

  void add(const V& gradient) {
    V u = inverse(gradient);
    over_.push_back(double(count_) + inner(gradient, u));
    u_.push_back(std::move(u));
  }
  std::int64_t size() const { return std::int64_t(u_.size()); }

  /// F⁻¹ b of the gradients so far.
  V inverse(const V& b) const {
    V x = clone(b);
    scale_(x, 1 / damping_);
    for (std::size_t k = 0; k < u_.size(); ++k) axpy_(-inner(u_[k], b) / over_[k], u_[k], x);
    return x;
  }
  template <LinearOperator<V> A>
  LinearSolution<V> operator()(A&&, const V& b, const V& = {}) const {
    return {inverse(b), {}};
  }
  V operator()(const V& r) const { return inverse(r); }  // as a preconditioner

 private:
  std::int64_t count_;
  double damping_;
  std::vector<V> u_;
  std::vector<double> over_;
};

}  // namespace tenzo
