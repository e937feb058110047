// Support vector machines: closed forms, the conditions of optimality, and inputs that have no answer.
#include "tenzo/unlearn/svm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tenzo/nn/init.hpp"

using namespace tenzo;
using namespace tenzo::unlearn;

namespace {

double kernel(const Tensor<double>& x, std::int64_t i, std::int64_t j, double gamma) {
  double squares = 0;
  for (std::int64_t k = 0; k < x.shape()[1]; ++k) squares += std::pow(x(i, k) - x(j, k), 2);
  return std::exp(-gamma * squares);
}

/// ½ Σ uᵢ uⱼ K − Σ αᵢ.
double objective(const Tensor<double>& x, const std::vector<int>& y, const Tensor<double>& alpha, double gamma) {
  double value = 0;
  for (std::int64_t i = 0; i < alpha.size(); ++i) {
    value -= alpha(i);
    for (std::int64_t j = 0; j < alpha.size(); ++j)
      value += 0.5 * y[std::size_t(i)] * y[std::size_t(j)] * alpha(i) * alpha(j) * kernel(x, i, j, gamma);
  }
  return value;
}

double decision(const Svm& m, const Tensor<double>& x, std::int64_t i) {
  return m({x.data() + i * x.shape()[1], std::size_t(x.shape()[1])});
}

/// The conditions of Karush, Kuhn and Tucker up to `slack`, from the decisions alone.
void check_optimal(const Svm& m, const Tensor<double>& x, const std::vector<int>& y, double c, double slack) {
  double balance = 0;
  for (std::int64_t i = 0; i < x.shape()[0]; ++i) {
    const double a = m.multipliers(i), margin = y[std::size_t(i)] * decision(m, x, i);
    CAPTURE(i);
    CHECK(a >= 0);
    CHECK(a <= c);
    balance += a * y[std::size_t(i)];
    if (a < c) CHECK(margin >= 1 - slack);
    if (a > 0) CHECK(margin <= 1 + slack);
  }
  CHECK(std::abs(balance) < 1e-10);
}

struct Set {
  Tensor<double> x;
  std::vector<int> y;
};
/// Two clouds in d dimensions whose centres are `apart`.
Set clouds(std::int64_t n, std::int64_t d, double apart, std::uint32_t number) {
  Set s{random_normal<double>(Shape{n, d}, initial_key(5, number)), {}};
  for (std::int64_t i = 0; i < n; ++i) {
    s.y.push_back(i % 3 == 0 ? 1 : -1);
    s.x(i, 0) += i % 3 == 0 ? apart : 0;
  }
  return s;
}

}  // namespace

TEST_CASE("svm: two samples have their multipliers in closed form") {
  // min (1 − K) α² − 2 α on [0, c]: α = min(c, 1 / (1 − K)); by symmetry b = 0.
  for (const double gap : {0.3, 1.0, 4.0})
    for (const double c : {0.5, 3.0, 1e3}) {
      CAPTURE(gap);
      CAPTURE(c);
      const Tensor<double> x = Tensor<double>::from({2, 1}, {gap, 0});
      const Svm m = train_svm(x, std::vector{1, -1}, {.c = c, .tolerance = 1e-12});
      const double want = std::min(c, 1 / (1 - std::exp(-gap * gap)));
      CHECK(m.converged);
      CHECK(m.gamma == 1);
      CHECK(m.multipliers(0) == doctest::Approx(want).epsilon(1e-12));
      CHECK(m.multipliers(1) == doctest::Approx(want).epsilon(1e-12));
      CHECK(std::abs(m.bias) < 1e-12);
      CHECK(decision(m, x, 0) == doctest::Approx(want * (1 - std::exp(-gap * gap))).epsilon(1e-12));
    }
}

TEST_CASE("svm: one against two at equal distance, in closed form") {
  // Samples −1, 0, 1 with labels −, +, −: α = (a, 2a, a); ½ uᵀKu = a² (3 − 4 p + q), Σ α = 4 a, so
  // a = 2 / (3 − 4 p + q) with p = e^−γ, q = e^−4γ; the margins fix b.
  const double gamma = 0.5, p = std::exp(-gamma), q = std::exp(-4 * gamma), a = 2 / (3 - 4 * p + q);
  const Tensor<double> x = Tensor<double>::from({3, 1}, {-1, 0, 1});
  const Svm m = train_svm(x, std::vector{-1, 1, -1}, {.c = 100, .gamma = gamma, .tolerance = 1e-12});
  CHECK(m.multipliers(0) == doctest::Approx(a).epsilon(1e-10));
  CHECK(m.multipliers(1) == doctest::Approx(2 * a).epsilon(1e-10));
  CHECK(m.multipliers(2) == doctest::Approx(a).epsilon(1e-10));
  CHECK(m.bias == doctest::Approx(1 - 2 * a * (1 - p)).epsilon(1e-10));
}

TEST_CASE("svm: the conditions of optimality hold at every size, with any memory for the kernel") {
  for (const auto& [n, d, apart] : {std::tuple{5L, 1L, 1.0}, {40L, 1L, 0.5}, {90L, 3L, 1.0}, {61L, 10L, 4.0}}) {
    CAPTURE(n);
    const Set s = clouds(n, d, apart, std::uint32_t(n));
    const Svm m = train_svm(s.x, s.y, {.c = 3, .tolerance = 1e-8});
    CHECK(m.converged);
    CHECK(m.violation <= 1e-8);
    check_optimal(m, s.x, s.y, 3, 1e-7);
    const Svm small = train_svm(s.x, s.y, {.c = 3, .tolerance = 1e-8, .cache = 0});  // two rows
    CHECK(small.steps == m.steps);
    CHECK(small.u == m.u);
    CHECK(small.bias == m.bias);
  }
}

TEST_CASE("svm: no feasible neighbour has a lower objective") {
  const Set s = clouds(24, 2, 1, 9);
  const SvmOptions o{.c = 3, .gamma = 0.7, .tolerance = 1e-10};
  const Svm m = train_svm(s.x, s.y, o);
  const double best = objective(s.x, s.y, m.multipliers, 0.7);
  for (std::int64_t i = 0; i < 24; ++i)
    for (std::int64_t j = 0; j < 24; ++j) {
      Tensor<double> near = m.multipliers.clone();  // u_i grows, u_j shrinks
      near(i) += 1e-3 * s.y[std::size_t(i)];
      near(j) -= 1e-3 * s.y[std::size_t(j)];
      if (i == j || near(i) < 0 || near(i) > 3 || near(j) < 0 || near(j) > 3) continue;
      CHECK(objective(s.x, s.y, near, 0.7) >= best - 1e-12);
    }
}

TEST_CASE("svm: two clouds far apart are told apart, the same sample with both labels is not") {
  const Set s = clouds(60, 2, 9, 3);
  const Svm m = train_svm(s.x, s.y);
  for (std::int64_t i = 0; i < 60; ++i) CHECK((decision(m, s.x, i) > 0) == (s.y[std::size_t(i)] > 0));
  const Svm torn = train_svm(Tensor<double>::full({6, 1}, 0.25), std::vector{1, -1, 1, -1, 1, -1});
  for (std::int64_t i = 0; i < 6; ++i) CHECK(torn.multipliers(i) == 3);
  CHECK(torn(std::vector{0.25}) == 0);
  CHECK(torn(std::vector{7.0}) == 0);
}

TEST_CASE("svm: what has no answer is a sentence") {
  const Tensor<double> x = Tensor<double>::from({2, 1}, {0, 1});
  CHECK_THROWS_WITH_AS(train_svm(x, std::vector{1, 1}), "svm: samples of one class alone", ValueError);
  CHECK_THROWS_WITH_AS(train_svm(x, std::vector{1, 0}), "svm: a label 0; want 1 or -1", ValueError);
  CHECK_THROWS_WITH_AS(train_svm(x, std::vector{1}), "svm: x is (2, 1) for 1 labels; want (n, features)", ShapeError);
  CHECK_THROWS_AS(train_svm(Tensor<double>(Shape{0, 1}), std::vector<int>{}), ValueError);
  CHECK_THROWS_AS(train_svm(x, std::vector{1, -1}, {.c = 0}), ValueError);
  CHECK_THROWS_AS(train_svm(Tensor<double>::from({2, 1}, {0, NAN}), std::vector{1, -1}), ValueError);
  CHECK_THROWS_AS(train_svm(x, std::vector{1, -1})(std::vector{1.0, 2.0}), ShapeError);
  const Svm stopped = train_svm(clouds(40, 1, 0.5, 40).x, clouds(40, 1, 0.5, 40).y, {.steps = 3});
  CHECK_FALSE(stopped.converged);
  CHECK(stopped.steps == 3);
  CHECK(stopped.violation > 1e-3);
}
