// RMSprop and rectified Adam against their formulas, step by step in double.
#include "tenzo/optim/rmsprop.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tenzo/optim/radam.hpp"

using namespace tenzo;

namespace {

using Vector = Tensor<double>;

/// Gradients that change: of x²/2 + sin 3x, at elements of several sizes.
Vector slope_at(const Vector& x) {
  Vector g(x.shape());
  for (std::int64_t i = 0; i < x.size(); ++i) g(i) = x(i) + 3 * std::cos(3 * x(i));
  return g;
}

const std::vector<double> start{2, -1, 0.3, 0, 50, -1e-3, 7};

template <class O>
Vector after(const O& o, int steps, double factor) {
  Vector x = Vector::from({std::int64_t(start.size())}, start);
  typename O::template State<Vector> s;
  for (int t = 0; t < steps; ++t) o.step(s, x, slope_at(x), factor);
  CHECK(s.step == steps);
  return x;
}

}  // namespace

TEST_CASE("rmsprop: plain and centred") {
  for (const bool centered : {false, true}) {
    const RmsProp o{.lr = 0.02, .alpha = 0.9, .eps = 0.01, .centered = centered};
    const Vector got = after(o, 30, 0.5);
    for (std::size_t i = 0; i < start.size(); ++i) {
      double x = start[i], v = 0, a = 0;
      for (int t = 0; t < 30; ++t) {
        const double g = x + 3 * std::cos(3 * x);
        v = 0.9 * v + (1 - 0.9) * g * g, a = 0.9 * a + (1 - 0.9) * g;
        x -= 0.01 * g / (std::sqrt(centered ? v - a * a : v) + 0.01);
      }
      CHECK(got(std::int64_t(i)) == doctest::Approx(x).epsilon(1e-9));
    }
  }
}

TEST_CASE("radam: plain steps first, then rectified ones") {
  const RAdam o{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95};
  const Vector got = after(o, 40, 1);
  int plain = 0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    double x = start[i], m = 0, v = 0;
    for (int t = 1; t <= 40; ++t) {
      const double g = x + 3 * std::cos(3 * x);
      m = 0.8 * m + (1 - 0.8) * g, v = 0.95 * v + (1 - 0.95) * g * g;
      const double mean = m / (1 - std::pow(0.8, t)), most = 2 / (1 - 0.95) - 1;
      const double rho = most - 2 * t * std::pow(0.95, t) / (1 - std::pow(0.95, t));
      if (rho <= 5) {
        x -= 0.05 * mean, ++plain;
        continue;
      }
      const double r = std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho));
      x -= 0.05 * mean * r * std::sqrt(1 - std::pow(0.95, t)) / (std::sqrt(v) + 1e-8);
    }
    CHECK(got(std::int64_t(i)) == doctest::Approx(x).epsilon(1e-8));
  }
  CHECK(plain > 0);
}

TEST_CASE("rmsprop, radam: undefined gradients leave parameters, wrong shapes are refused") {
  std::vector<Vector> x{Vector::ones({2}), Vector::ones({3})}, g{Vector(), Vector::ones({3})};
  RmsProp::State<std::vector<Vector>> s;
  RmsProp{}.step(s, x, g);
  CHECK(x[0](0) == 1);
  CHECK(x[1](0) < 1);
  g[1] = Vector::ones({2});
  CHECK_THROWS_AS(RmsProp{}.step(s, x, g), ShapeError);
  RAdam::State<std::vector<Vector>> r;
  CHECK_THROWS_AS(RAdam{}.step(r, x, g), ShapeError);
}
