// Smoothed functions: values, gradients and Hessians against closed forms, within standard errors; how variance grows.
#include "tenzo/smoothing/function.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "tenzo/stats/normal.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

const D a = D::from({3}, {0.5, -1, 0.25}), x0 = D::from({3}, {0.3, 0.2, -0.4});
const double m[3][3] = {{2, 0.5, 0}, {0.5, 1, -0.3}, {0, -0.3, -1}};
constexpr double sigma = 0.5;

double along_a(const D& x) { return a(0) * x(0) + a(1) * x(1) + a(2) * x(2); }
double norm_a() { return std::sqrt(a(0) * a(0) + a(1) * a(1) + a(2) * a(2)); }

/// A function with the value, gradient and Hessian (of the smoothed function) that are known.
struct Known {
  const char* name;
  std::function<double(const D&)> f;
  double value;
  std::vector<double> gradient, hessian;
};

std::vector<double> times_a(double s) { return {s * a(0), s * a(1), s * a(2)}; }
std::vector<double> outer_a(double s) {
  std::vector<double> h;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) h.push_back(s * a(i) * a(j));
  return h;
}

std::vector<Known> all() {
  const double t = along_a(x0), n = norm_a(), z = t / (sigma * n);
  double quadratic = 0;
  std::vector<double> slope, curvature;
  for (int i = 0; i < 3; ++i) {
    double row = 0;
    for (int j = 0; j < 3; ++j) row += m[i][j] * x0(j), curvature.push_back(m[i][j]);
    slope.push_back(row);
    quadratic += 0.5 * x0(i) * row;
  }
  const double grow = std::exp(t + 0.5 * sigma * sigma * n * n), fade = std::exp(-0.5 * sigma * sigma * n * n);
  return {{"linear", along_a, t, times_a(1), outer_a(0)},
          {"quadratic",
           [](const D& x) {
             double s = 0;
             for (int i = 0; i < 3; ++i)
               for (int j = 0; j < 3; ++j) s += 0.5 * m[i][j] * x(i) * x(j);
             return s;
           },
           quadratic + 0.5 * sigma * sigma * 2, slope, curvature},
          {"exp", [](const D& x) { return std::exp(along_a(x)); }, grow, times_a(grow), outer_a(grow)},
          {"cos", [](const D& x) { return std::cos(along_a(x)); }, std::cos(t) * fade, times_a(-std::sin(t) * fade),
           outer_a(-std::cos(t) * fade)},
          {"step", [](const D& x) { return double(along_a(x) > 0); }, normal_cdf(z),
           times_a(normal_density(z) / (sigma * n)), outer_a(-z * normal_density(z) / (sigma * sigma * n * n))}};
}

}  // namespace

TEST_CASE("R9: gradients of smoothed functions, the mean of 100,000 directions within 4 standard errors") {
  for (const Known& k : all())
    for (const bool antithetic : {false, true}) {
      CAPTURE(k.name);
      CAPTURE(antithetic);
      std::vector<RunningMean> mean(3);
      for (std::uint32_t step = 0; step < 400; ++step) {
        const auto g = smoothed_gradient(k.f, x0, 21, step, {.sigma = sigma, .queries = 250, .antithetic = antithetic});
        CHECK(g.forwards == (antithetic ? 500 : 251));
        const D dense = zo::dense_gradient(g, x0);
        for (std::int64_t i = 0; i < 3; ++i) mean[std::size_t(i)].add(dense(i));
      }
      for (std::int64_t i = 0; i < 3; ++i) {
        const RunningMean& r = mean[std::size_t(i)];
        CAPTURE(i);
        // 1e-12: the normals' own bias, and rounding where the variance vanishes
        CHECK(std::abs(r.mean - k.gradient[std::size_t(i)]) <= 4 * r.standard_error() + 1e-9);
      }
    }
}

TEST_CASE("R9: values and Hessians within 4 standard errors") {
  for (const Known& k : all()) {
    CAPTURE(k.name);
    const auto batch = [&](const D& x) {
      D y(Shape{x.shape()[0]});
      for (std::int64_t i = 0; i < y.size(); ++i) y(i) = k.f(x.rows(i, i + 1).reshaped(Shape{3}));
      return y;
    };
    const RunningMean v = smoothed_value(batch, AdditiveNoise{Family::gaussian, sigma}, x0, {.seed = 4}, 100000);
    CHECK(v.count == 100000);
    CHECK(std::abs(v.mean - k.value) <= 4 * v.standard_error());
    std::vector<RunningMean> mean(9);
    for (std::uint32_t step = 0; step < 200; ++step) {
      const D h = smoothed_hessian(k.f, x0, 5, step, {.sigma = sigma, .queries = 250});
      for (std::int64_t i = 0; i < 9; ++i) {
        mean[std::size_t(i)].add(h(i));
        CHECK(h(i) == h(i % 3 * 3 + i / 3));
      }
    }
    for (std::size_t i = 0; i < 9; ++i)
      CHECK(std::abs(mean[i].mean - k.hessian[i]) <= 4 * mean[i].standard_error() + 1e-9);
  }
  CHECK_THROWS_AS(smoothed_hessian(along_a, x0, 1, 0, {.law = zo::DirectionLaw::rademacher}), ValueError);
}

TEST_CASE("R9: the variance of a gradient estimate is (d + 1)/q ‖∇f‖²: slopes −1 in q and 1 in d") {
  const auto variance = [](std::int64_t d, int q) {
    D x = D::zeros({d});
    const auto f = [](const D& at) { return at(0); };  // ∇f = e₀
    double total = 0;
    const std::int64_t repeats = 600;
    for (std::int64_t r = 0; r < repeats; ++r) {
      D g = zo::dense_gradient(smoothed_gradient(f, x, 8, std::uint32_t(r), {.queries = q}), x);
      g(0) -= 1;
      total += inner(g, g);
    }
    return total / double(repeats);
  };
  const double base = variance(40, 4);
  CHECK(base == doctest::Approx(41. / 4).epsilon(0.06));
  CHECK(std::log(variance(40, 32) / base) / std::log(8) == doctest::Approx(-1).epsilon(0.1));
  CHECK(std::log(variance(320, 4) / base) / std::log(321. / 41) == doctest::Approx(1).epsilon(0.1));
}

TEST_CASE("agreement of an estimate with the gradient: cosine near √(q/d), small in many dimensions") {
  D x = D::zeros({2000});
  D gradient = D::zeros({2000});
  gradient(3) = 2;
  const auto f = [](const D& at) { return 2 * at(3); };
  double cosine = 0;
  GradientAgreement last;
  for (std::uint32_t s = 0; s < 200; ++s) {
    last = gradient_agreement(zo::dense_gradient(smoothed_gradient(f, x, 3, s, {.queries = 20}), x), gradient, 20);
    cosine += last.cosine / 200;
  }
  CHECK(last.expected_cosine == doctest::Approx(std::sqrt(20. / 2021)));
  CHECK(cosine == doctest::Approx(last.expected_cosine).epsilon(0.05));
  const GradientAgreement same = gradient_agreement(gradient, gradient, 1);
  CHECK(same.cosine == doctest::Approx(1));
  CHECK(same.relative_error == 0);
}

TEST_CASE("smoothed values by other noise: Rademacher keeps the odd and flattens the even") {
  // E (x + s σ)² = x² + σ², E (x + sσ)³ = x³ + 3xσ²
  const auto powers = [](const D& x) {
    D y(Shape{x.shape()[0]});
    for (std::int64_t i = 0; i < y.size(); ++i) y(i) = x(i, 0) * x(i, 0) * x(i, 0);
    return y;
  };
  const RunningMean v =
      smoothed_value(powers, AdditiveNoise{Family::rademacher, 0.5}, D::full({1}, 2), {}, 40000, 1000);
  CHECK(std::abs(v.mean - (8 + 3 * 2 * 0.25)) <= 4 * v.standard_error());
  CHECK(v.variance() == doctest::Approx(std::pow(15.625 - 3.375, 2) / 4).epsilon(0.01));
}
