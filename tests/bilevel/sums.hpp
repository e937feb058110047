// Finite sums with known hypergradients, on which the stochastic solvers are held against the closed forms.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "problems.hpp"
#include "tenzo/bilevel/stochastic/finite_sum.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/solve/dense.hpp"
#include "tenzo/stats/log_slope.hpp"

namespace tenzo::bilevel::test {

/// Normal numbers times a deviation, each tensor of a number of its own.
inline Vector normal_numbers(const Shape& shape, std::uint32_t number, double deviation = 1) {
  return random_normal<double>(shape, NoiseKey{.seed = 77, .tensor = number}.of(Purpose::initialisation), deviation);
}

/// P1 as a sum of one batch each.
inline auto single_batch(const Quadratic& q) {
  return FiniteSum{[&q](const auto& x, const auto& y, std::int64_t) { return q.problem().upper(x, y); },
                   [&q](const auto& x, const auto& y, std::int64_t) { return q.problem().lower(x, y); }, 1, 1};
}

/// g_i = ½ yᵀ A_i y − yᵀ (B_i x + b_i), f_j = ½ ‖y − c_j‖² + ½ ρ ‖x − d_j‖²:  A_i, B_i, b_i, c_j, d_j random around
/// means, A_i positive definite. q = 20, p = 4 unless said otherwise.
struct QuadraticSum {
  std::int64_t p = 4, q = 20, n = 12, m = 8;
  double rho = 0.5;
  std::vector<Vector> a, b_matrix, b, c, d;

  explicit QuadraticSum(std::int64_t n_batches = 12, std::int64_t m_batches = 8, double spread = 0.3,
                        std::int64_t p_size = 4, std::int64_t q_size = 20)
      : p(p_size), q(q_size), n(n_batches), m(m_batches) {
    std::uint32_t number = 0;
    const Vector base = normal_numbers(Shape{q, p}, number++, 0.2), centre = normal_numbers(Shape{q}, number++);
    for (std::int64_t i = 0; i < n; ++i) {
      const Vector w = normal_numbers(Shape{q, q}, number++, spread / std::sqrt(double(q)));
      Vector s = Vector::zeros(Shape{q, q});
      s.matrix() = w.matrix() * w.matrix().transpose();
      for (std::int64_t k = 0; k < q; ++k) s(k, k) += 0.5 + double(k) / double(q);  // eigenvalues from ½ to about 2
      a.push_back(s);
      b_matrix.push_back(add(base, normal_numbers(Shape{q, p}, number++, spread / 3)));
      b.push_back(normal_numbers(Shape{q}, number++, spread));
    }
    for (std::int64_t j = 0; j < m; ++j) {
      c.push_back(add(centre, normal_numbers(Shape{q}, number++, spread)));
      d.push_back(normal_numbers(Shape{p}, number++, spread));
    }
  }

  auto sum() const {
    return FiniteSum{[this](const auto& x, const auto& y, std::int64_t j) {
                       return add(scale(tenzo::sum(square(sub(y, c[std::size_t(j)]))), 0.5),
                                  scale(tenzo::sum(square(sub(x, d[std::size_t(j)]))), 0.5 * rho));
                     },
                     [this](const auto& x, const auto& y, std::int64_t i) {
                       const auto k = std::size_t(i);
                       return sub(scale(scalar_product(y, product(a[k], y)), 0.5),
                                  scalar_product(y, add(product(b_matrix[k], x), b[k])));
                     },
                     m, n};
  }

  static Eigen::MatrixXd mean(const std::vector<Vector>& all) {
    Eigen::MatrixXd out = all[0].rank() == 2 ? Eigen::MatrixXd(all[0].matrix()) : Eigen::MatrixXd(all[0].vector());
    for (std::size_t i = 1; i < all.size(); ++i)
      out += all[0].rank() == 2 ? Eigen::MatrixXd(all[i].matrix()) : Eigen::MatrixXd(all[i].vector());
    return out / double(all.size());
  }
  /// y*, v* and ∇F at x, exactly.
  struct Exact {
    Eigen::VectorXd y, v, gradient;
  };
  Exact exact(const Vector& x) const {
    const Eigen::MatrixXd h = mean(a), k = mean(b_matrix);
    const Eigen::VectorXd at = x.vector();
    Exact e;
    e.y = h.ldlt().solve(k * at + Eigen::VectorXd(mean(b)));
    e.v = -h.ldlt().solve(e.y - Eigen::VectorXd(mean(c)));
    e.gradient = rho * (at - Eigen::VectorXd(mean(d))) - k.transpose() * e.v;
    return e;
  }
  double gradient_squared(const Vector& x) const { return exact(x).gradient.squaredNorm(); }
};

/// Whether two trees have the same bits.
template <Tree A>
bool same_bits(const A& a, const A& b) {
  bool same = true;
  for_each_leaf(
      [&](const Path&, const Vector& u, const Vector& v) {
        same = same && u.size() == v.size() && std::equal(u.values().begin(), u.values().end(), v.values().begin());
      },
      a, b);
  return same;
}

/// Checks the mean of vectors against `want`, element by element, within four standard deviations of the mean.
template <class Draw>
void check_mean(const Vector& want, int n, Draw&& draw) {
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(want.size()), squares = sum;
  for (int t = 0; t < n; ++t) {
    const Vector v = draw(t);
    REQUIRE(v.size() == want.size());
    sum += v.vector(), squares += v.vector().cwiseProduct(v.vector());
  }
  for (Eigen::Index k = 0; k < sum.size(); ++k) {
    const double mean = sum[k] / n, deviation = std::sqrt(std::max(0.0, squares[k] / n - mean * mean) / n);
    INFO("element ", k, ": ", mean, ", want ", want(k), ", deviation ", deviation);
    CHECK(std::abs(mean - want(k)) <= 4 * deviation + 1e-9);
    CHECK(deviation < 0.1 * (1 + std::abs(want(k))));  // or the bound says nothing
  }
}

/// A state with memory of its own, as a file would give it back.
template <class S>
S saved(const S& s) {
  S copy = s;
  own_leaves_(copy);
  return copy;
}

}  // namespace tenzo::bilevel::test
