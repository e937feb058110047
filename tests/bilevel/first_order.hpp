// What the tests of the first-order solvers share: P1 in any precision, slopes, and runs that are halted and gone on
// with.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

#include "problems.hpp"

namespace tenzo::bilevel::test {

/// P1 with elements of type T.
template <class T>
auto quadratic_of(const Quadratic& q) {
  const auto a = q.a.cast<T>(), m = q.b_matrix.cast<T>(), b = q.b.cast<T>(), c = q.c.cast<T>();
  const double rho = q.rho;
  const auto times = [](const auto& matrix, const auto& v) {
    return reshape(matmul(matrix, reshape(v, Shape{v.shape()[0], 1})), Shape{matrix.shape()[0]});
  };
  return Problem{[c, rho](const auto& p, const auto& y) {
                   return add(scale(sum(square(sub(y, c))), 0.5), scale(sum(square(p)), 0.5 * rho));
                 },
                 [=](const auto& p, const auto& y) {
                   return sub(scale(sum(mul(y, times(a, y))), 0.5), sum(mul(y, add(times(m, p), b))));
                 }};
}

/// The closed form of P1's hypergradient at x: ρ x + Bᵀ A⁻¹ (y* − c).
inline Vector exact_gradient(const Quadratic& q, const Vector& x) {
  Vector r = q.solution(x);
  axpy_(-1, q.c, r);
  const double a = (3 * r(0) - r(1)) / 11, b = (-r(0) + 4 * r(1)) / 11;
  return vec({q.rho * x(0) + a, q.rho * x(1) + 2 * a + b});
}

/// More upper than lower variables, in two leaves: g = ½ yᵀ A y − yᵀ (B x₀ + x₁ e), f = ½ ‖y − c‖² + ½ ρ (‖x₀‖² + x₁²).
struct Wide {
  using Upper = std::vector<Vector>;
  Quadratic q = {};
  Vector e = vec({2, -1});
  Upper x = {vec({0.5, -0.25}), vec({0.75})};

  auto problem() const {
    return Problem{[this](const auto& p, const auto& y) {
                     return add(scale(sum(square(sub(y, q.c))), 0.5),
                                scale(add(sum(square(p[0])), sum(square(p[1]))), 0.5 * q.rho));
                   },
                   [this](const auto& p, const auto& y) {
                     return sub(scale(scalar_product(y, product(q.a, y)), 0.5),
                                scalar_product(y, add(product(q.b_matrix, p[0]), mul(p[1], e))));
                   }};
  }
  Vector solution(const Upper& at) const {
    const Vector r = add(product(q.b_matrix, at[0]), mul(at[1], e));
    return vec({(3 * r(0) - r(1)) / 11, (-r(0) + 4 * r(1)) / 11});
  }
  Upper gradient(const Upper& at) const {
    Vector r = solution(at);
    axpy_(-1, q.c, r);
    const double a = (3 * r(0) - r(1)) / 11, b = (-r(0) + 4 * r(1)) / 11;
    return {vec({q.rho * at[0](0) + a, q.rho * at[0](1) + 2 * a + b}), vec({q.rho * at[1](0) + 2 * a - b})};
  }
};

/// P11: g = ½ (y₁ − x)², f = ½ (y₁ − 1)² + ½ (y₂ − 2)², whose lower solutions are a line. y is split in two leaves.
inline auto line_of_solutions() {
  return Problem{[](const auto&, const auto& y) {
                   return add(scale(sum(square(y[0] - 1.0)), 0.5), scale(sum(square(y[1] - 2.0)), 0.5));
                 },
                 [](const auto& x, const auto& y) { return scale(sum(square(sub(y[0], x))), 0.5); }};
}
using Pair = std::vector<Vector>;
inline Pair pair_of(double a, double b) { return {vec({a}), vec({b})}; }

/// P13 with n = 1, a = c = 2: F = (x − 2)² + (y − 4)², g = sin(x + y − 2).
struct Sine {
  double x = 2.356194490192, y = 4.356194490192, value = 0.253749029687;

  static auto problem() {
    return Problem{[](const auto& x, const auto& y) { return add(sum(square(x - 2.0)), sum(square(y - 4.0))); },
                   [](const auto& x, const auto& y) { return sum(sin(add(x, y) - 2.0)); }};
  }
};

/// A box below: g = ½ ‖y − x‖² over [0, 1]ⁿ, so that y* = clip(x, 0, 1); f = ½ ‖y − t‖² (P10 with t = (1, 0, 0, 1)).
inline auto clipped_below(const Vector& t) {
  return Problem{[t](const auto&, const auto& y) { return scale(sum(square(sub(y, t))), 0.5); },
                 [](const auto& x, const auto& y) { return scale(sum(square(sub(y, x))), 0.5); }, Everywhere{},
                 Box{0, 1}};
}

/// Slope of log(error) over log(at), by least squares.
inline double order(const std::vector<double>& at, const std::vector<double>& error) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  const double n = double(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double x = std::log(at[i]), y = std::log(error[i]);
    sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

inline double distance(const Vector& a, std::initializer_list<double> b) {
  Vector d = a.clone();
  axpy_(-1, Vector::from({std::int64_t(b.size())}, b), d);
  return norm(d);
}

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The state after some steps from (x, y).
template <class Method, class P, class X, class Y>
auto after(const Method& method, const P& problem, int steps, const X& x, const Y& y) {
  Oracle oracle(problem);
  auto s = method.start(x, y);
  for (int t = 0; t < steps; ++t) method.step(oracle, s);
  return s;
}

template <Tree V>
bool same_bits(const V& a, const V& b) {
  bool same = true;
  for_each_leaf(
      [&](const Path&, const auto& u, const auto& v) {
        same = same && u.shape() == v.shape() &&
               std::memcmp(u.data(), v.data(), std::size_t(u.size()) * sizeof(u(0))) == 0;
      },
      a, b);
  return same;
}

/// A run of 9 steps, and a copy of its state after 4 steps that is gone on with later and by another oracle, end alike
/// to the bit; the start's arrays are not written.
template <class Solver, class P, class State>
void check_resumes(const Solver& solver, const P& problem, State s) {
  const auto x0 = clone(s.x);
  const State first = s;
  Oracle oracle(problem), other(problem);
  State kept = s;
  for (int t = 0; t < 9; ++t) {
    if (t == 4) kept = s;
    solver.step(oracle, s);
  }
  CHECK(same_bits(first.x, x0));
  for (int t = 4; t < 9; ++t) solver.step(other, kept);
  CHECK(same_bits(kept.x, s.x));
  CHECK(!same_bits(s.x, x0));
  CHECK(kept.step == 9);
  CHECK(kept.counts.all() == s.counts.all());
  CHECK(s.counts.all() == oracle.counts.all());
}

}  // namespace tenzo::bilevel::test
