// Least squares with known solutions, and derivatives in forward mode.
#include "tenzo/optim/levenberg_marquardt.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/shape_ops.hpp"

using namespace tenzo;

namespace {

/// Rosenbrock's function as two residuals: (10 (y − x²), 1 − x), zero at (1, 1).
Residuals rosenbrock(const Eigen::VectorXd& p) {
  Residuals r;
  r.value.resize(2), r.jacobian.resize(2, 2);
  r.value << 10 * (p[1] - p[0] * p[0]), 1 - p[0];
  r.jacobian << -20 * p[0], 10, -1, 0;
  return r;
}

template <class F>
LevenbergMarquardt::State minimised(Eigen::VectorXd& x, F&& f, int steps, const LevenbergMarquardt& lm = {}) {
  LevenbergMarquardt::State s;
  for (int i = 0; i < steps && !s.stuck; ++i) lm.step(s, x, f);
  return s;
}

}  // namespace

TEST_CASE("levenberg-marquardt: a narrow valley") {
  Eigen::VectorXd x(2);
  x << -1.2, 1;
  const auto s = minimised(x, rosenbrock, 60);
  CHECK(s.value < 1e-20);
  CHECK(x[0] == doctest::Approx(1).epsilon(1e-9));
  CHECK(x[1] == doctest::Approx(1).epsilon(1e-9));
}

TEST_CASE("levenberg-marquardt: linear least squares, underdetermined ones too") {
  // r = A x − b with A (3, 2): the normal equations; with A (1, 3): zero residual, from 0 the smallest solution.
  Eigen::MatrixXd a(3, 2);
  a << 1, 2, 3, 4, 5, 6.5;
  const Eigen::Vector3d b(1, -2, 0.5);
  Eigen::VectorXd x = Eigen::VectorXd::Zero(2);
  minimised(
      x,
      [&](const Eigen::VectorXd& p) {
        return Residuals{a * p - b, a};
      },
      40);
  const Eigen::VectorXd want = (a.transpose() * a).ldlt().solve(a.transpose() * b);
  CHECK((x - want).norm() < 1e-9 * want.norm());

  const Eigen::MatrixXd row = Eigen::RowVector3d(1, 2, -2);
  Eigen::VectorXd y = Eigen::VectorXd::Zero(3);
  minimised(
      y,
      [&](const Eigen::VectorXd& p) {
        return Residuals{row * p - Eigen::VectorXd::Constant(1, 9), row};
      },
      40);
  CHECK((y - Eigen::Vector3d(1, 2, -2)).norm() < 1e-7);
}

TEST_CASE("levenberg-marquardt: never goes up, and says where it can not go on") {
  Eigen::VectorXd x(1);
  x << 3;
  double last = INFINITY;
  LevenbergMarquardt::State s;
  const LevenbergMarquardt lm{.damping = 1e-6};
  const auto f = [](const Eigen::VectorXd& p) {  // steep walls: plain Gauss-Newton steps overshoot
    return Residuals{Eigen::VectorXd::Constant(1, std::atan(p[0]) * 5),
                     Eigen::MatrixXd::Constant(1, 1, 5 / (1 + p[0] * p[0]))};
  };
  for (int i = 0; i < 200 && !s.stuck; ++i) {
    lm.step(s, x, f);
    CHECK(s.value <= last);
    last = s.value;
  }
  CHECK(s.value < 1e-20);
  CHECK(s.taken < s.step);

  Eigen::VectorXd y(1);
  y << 1;
  const auto nothing = minimised(
      y,
      [](const Eigen::VectorXd&) {
        return Residuals{Eigen::VectorXd::Constant(1, NAN), Eigen::MatrixXd::Ones(1, 1)};
      },
      50);
  CHECK(nothing.stuck);
  CHECK(y[0] == 1);
  LevenbergMarquardt::State t;
  CHECK_THROWS_AS(lm.step(t, y,
                          [](const Eigen::VectorXd&) {
                            return Residuals{Eigen::VectorXd::Ones(2), Eigen::MatrixXd::Ones(2, 3)};
                          }),
                  ShapeError);
  LevenbergMarquardt::State u;
  CHECK_THROWS_AS((LevenbergMarquardt{.raise = 0.5}.step(u, y, f)), ValueError);
}

TEST_CASE("residuals of a tree: values and derivatives in forward mode") {
  using V = Tensor<double>;
  const std::pair<V, V> x{V::from({2}, {0.3, -0.7}), V::from({}, {1.5})};
  const auto f = [](const auto& p) { return sub(mul(exp(p.first), p.second), p.first); };  // e^a b − a
  const Residuals r = residuals_of(f, x);
  REQUIRE(r.jacobian.rows() == 2);
  REQUIRE(r.jacobian.cols() == 3);
  for (int i = 0; i < 2; ++i) {
    const double a = x.first(i), b = 1.5;
    CHECK(r.value[i] == doctest::Approx(std::exp(a) * b - a));
    CHECK(r.jacobian(i, i) == doctest::Approx(std::exp(a) * b - 1));
    CHECK(r.jacobian(i, 1 - i) == 0);
    CHECK(r.jacobian(i, 2) == doctest::Approx(std::exp(a)));
  }
  // As residuals of the solver: e^a b = a has no solution in both, but (a, b) with b < 1/e has.
  Eigen::VectorXd p(3);
  p << 0.3, -0.7, 1.5;
  const auto s = minimised(
      p,
      [&](const Eigen::VectorXd& v) {
        return residuals_of(f, std::pair<V, V>{V::from({2}, {v[0], v[1]}), V::from({}, {v[2]})});
      },
      100);
  CHECK(s.value < 1e-16);
}
