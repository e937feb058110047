// The problems with known answers that all solvers are held against.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <initializer_list>
#include <vector>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo::bilevel::test {

using Vector = Tensor<double>;

inline Vector vec(std::initializer_list<double> v) { return Vector::from({std::int64_t(v.size())}, v); }
inline Vector mat(std::int64_t rows, std::int64_t cols, std::initializer_list<double> v) {
  return Vector::from({rows, cols}, v);
}

/// Within 1e-9 max(1, |value|), or half a unit of the last of `digits` printed.
inline void check_near(const Vector& got, std::initializer_list<double> want, double tolerance = 1e-9) {
  REQUIRE(got.size() == std::int64_t(want.size()));
  std::int64_t i = 0;
  for (const double w : want) {
    INFO("element ", i, ": ", got(i), ", want ", w);
    CHECK(std::abs(got(i) - w) <= tolerance * std::max(1.0, std::abs(w)));
    ++i;
  }
}
inline void check_near(double got, double want, double tolerance = 1e-9) {
  INFO(got, ", want ", want);
  CHECK(std::abs(got - want) <= tolerance * std::max(1.0, std::abs(want)));
}

/// The matrix times a vector.
template <Value V>
V product(const Vector& m, const V& x) {
  return reshape(matmul(m, reshape(x, Shape{x.shape()[0], 1})), Shape{m.shape()[0]});
}
template <Value A, Value B>
auto scalar_product(const A& a, const B& b) {
  return sum(mul(a, b));
}

/// P1: g = ½ yᵀ A y − yᵀ (B x + b), f = ½ ‖y − c‖² + ½ ρ ‖x‖².
struct Quadratic {
  Vector a = mat(2, 2, {4, 1, 1, 3}), b_matrix = mat(2, 2, {1, 2, 0, 1}), b = vec({1, -1}), c = vec({1, 2});
  double rho = 0.1;
  Vector x = vec({0.5, -0.25}), y_star = vec({0.386363636363636, -0.545454545454545});

  auto problem() const {
    return Problem{[this](const auto& p, const auto& y) {
                     return add(scale(sum(square(sub(y, c))), 0.5), scale(sum(square(p)), 0.5 * rho));
                   },
                   [this](const auto& p, const auto& y) {
                     return sub(scale(scalar_product(y, product(a, y)), 0.5),
                                scalar_product(y, add(product(b_matrix, p), b)));
                   }};
  }
  /// argmin g, exactly.
  Vector solution(const Vector& at) const {
    const Vector r = add(product(b_matrix, at), b);
    const double det = 11;
    return vec({(3 * r(0) - r(1)) / det, (-r(0) + 4 * r(1)) / det});
  }
};

/// The least-squares data of P2 to P5.
struct Regression {
  Vector features = mat(4, 2, {1, 2, 2, -1, 0, 1, 1, 1}), targets = vec({1, 0, 2, 1});
  Vector validation = mat(3, 2, {1, 0, 1, -1, 2, 1}), validation_targets = vec({0.5, -1, 1.5});

  template <Value V>
  V validation_loss(const V& w) const {
    return scale(sum(square(sub(product(validation, w), validation_targets))), 1.0 / 6);
  }
  template <Value V>
  V residuals(const V& w) const {
    return sub(product(features, w), targets);
  }
};

}  // namespace tenzo::bilevel::test
