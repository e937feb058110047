// Stationary iterations x ← x − ρ (A x − b) for symmetric positive definite A, and the series that they sum.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/core/philox.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/solve/linear.hpp"

namespace tenzo {

/// The eigenvalue of largest size of a symmetric A, from below, by power iteration.
///   start   a tree of A's form; its numbers do not matter
template <Tree V, LinearOperator<V> A>
double largest_eigenvalue(A&& a, const V& form, std::int64_t iterations = 20, std::uint64_t seed = 1) {
  using L = leaf_t<V>;
  std::uint32_t leaf = 0;
  V v = map_tree<L>(form, [&](const L& x) { return random_normal<scalar_t<L>>(x.shape(), initial_key(seed, leaf++)); });
  double value = 0;
  for (std::int64_t i = 0; i < iterations; ++i) {
    const double size = norm(v);
    if (!(size > 0)) return 0;
    scale_(v, 1 / size);
    const V av = a(v);
    value = inner(v, av);
    v = clone(av);
  }
  return value;
}

/// A Neumann series cut off: x = α Σ_{k=0}^{terms} (I − α A)^k b, which is A⁻¹ b up to (I − α A)^{terms + 1} A⁻¹ b for
/// 0 < α < 2 / λ_max. `terms` counts the products: the first term needs none. A start takes b's place: the iteration
/// x ← x − α (A x − b) from there.
///   alpha = 0   takes 1 / λ_max of a power iteration, whose products are counted
struct Neumann {
  std::int64_t terms = 20;
  double alpha = 0;
  double damping = 0;

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}) const {
    LinearSolution<V> s;
    const detail::Damped<std::remove_reference_t<A>> product{a, damping, s.report};
    double step = alpha;
    if (step == 0) {
      const double top = largest_eigenvalue(product, b);
      step = top > 0 ? 1 / top : 1;
    }
    const double size = norm(b);
    V r;
    std::tie(s.x, r) = detail::residual_at(product, b, start);
    axpy_(step, r, s.x);
    for (std::int64_t k = 0; k < terms; ++k) {
      axpy_(-step, product(V(r)), r);  // r is now the residual of x
      axpy_(step, r, s.x);
    }
    s.report.residual = detail::relative(norm(r), size);  // of the x before the last term
    s.report.converged = s.report.residual < 1;
    return s;
  }
};

/// The Neumann series of random length: p uniform in {0 … terms − 1}, x = terms · α Π_{i < p} (I − α A_i) b, an
/// unbiased estimate of the sum of `terms` terms where A's products are independent samples.
///   Source  Ghadimi, Wang 2018, algorithm 3.
struct RandomNeumann {
  std::int64_t terms = 20;
  double alpha = 0.1;
  std::uint64_t seed = 1;
  mutable std::uint32_t call = 0;

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& = {}) const {
    LinearSolution<V> s;
    const detail::Damped<std::remove_reference_t<A>> product{a, 0, s.report};
    const auto p = std::int64_t(std::uint64_t(philox4x32({call++, 0, 0, 0}, seed)[0]) * std::uint64_t(terms) >> 32);
    s.x = clone(b);
    for (std::int64_t i = 0; i < p; ++i) axpy_(-alpha, product(V(s.x)), s.x);
    scale_(s.x, double(terms) * alpha);
    return s;
  }
};

/// H ≈ I / α: x = α b, no product.
///   Source  DARTS (Liu et al. 2019) and other first-order approximations.
struct IdentityInverse {
  double alpha = 1;

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&&, const V& b, const V& = {}) const {
    LinearSolution<V> s{clone(b), {}};
    scale_(s.x, alpha);
    return s;
  }
};

}  // namespace tenzo
