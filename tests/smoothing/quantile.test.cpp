// Median and mean smoothing: exact quantiles of known regressors, intervals that attacks do not leave, whole outputs.
#include "tenzo/smoothing/quantile.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;
const AdditiveNoise noise{Family::gaussian, 0.5};

/// g(w · x) for w = (0.6, 0.8); the quantiles of g(w · x + N(0, σ²)) are g of the normal's where g grows.
template <class G>
auto regressor(G g) {
  return [g](const D& x) {
    D y(Shape{x.shape()[0]});
    for (std::int64_t i = 0; i < y.size(); ++i) y(i) = g(0.6 * x(i, 0) + 0.8 * x(i, 1));
    return y;
  };
}
const auto cube = regressor([](double t) { return t * t * t; });
D at(double t) { return D::from({2}, {0.6 * t, 0.8 * t}); }

}  // namespace

TEST_CASE("R10: the interval of the median holds for the worst perturbation, in 1 − α of runs") {
  // The worst δ is ±ε w: the median of the smoothed cube there is (t ± ε)³. Each side fails in α/2 of runs at most.
  const double eps = 0.3, t = 0.4, alpha = 0.05;
  std::int64_t wrong = 0;
  double width = 0;
  for (std::int64_t run = 0; run < 600; ++run) {
    const auto r = quantile_smoothed(cube, noise, at(t), Stream{.seed = 2, .image = run},
                                     {.eps = eps, .samples = 400, .alpha = alpha, .batch = 128});
    wrong += r.low.item() > std::pow(t - eps, 3) || r.high.item() < std::pow(t + eps, 3);
    CHECK(r.low.item() < r.value.item());
    CHECK(r.value.item() < r.high.item());
    width += (r.high.item() - r.low.item()) / 600;
  }
  CHECK(wrong <= 30 + 3 * 6);  // three standard deviations above 5 %
  CHECK(width < 3 * (std::pow(t + eps, 3) - std::pow(t - eps, 3)));
}

TEST_CASE("R10: smoothed medians along all perturbations of the radius stay in one interval") {
  const auto bumpy = regressor([](double t) { return std::sin(3 * t) + (t > 0.2 ? 4.0 : 0.0); });
  const auto r = quantile_smoothed(bumpy, noise, at(0.1), Stream{.seed = 3}, {.eps = 0.25, .samples = 4000});
  for (int k = 0; k < 24; ++k) {
    const double turn = k * 0.261799, s = k % 2 ? 0.25 : 0.1;
    D x = at(0.1);
    x(0) += s * std::cos(turn), x(1) += s * std::sin(turn);
    const auto there = quantile_smoothed(bumpy, noise, x, Stream{.seed = 4, .image = k}, {.samples = 4000});
    CHECK(there.value.item() >= r.low.item());
    CHECK(there.value.item() <= r.high.item());
  }
}

TEST_CASE("quantiles: the order statistics of the table; values; too few samples are infinite") {
  const auto r = quantile_smoothed(cube, noise, at(1), Stream{}, {.p = 0.9, .samples = 20001, .batch = 5000});
  CHECK(r.value.item() == doctest::Approx(std::pow(1 + 0.5 * normal_quantile(0.9), 3)).epsilon(0.02));
  const auto few = quantile_smoothed(cube, noise, at(1), Stream{}, {.eps = 1, .samples = 100});
  CHECK(std::isinf(few.low.item()));
  CHECK(std::isinf(few.high.item()));
  CHECK(few.high.item() > 0);
  CHECK(quantile_indices({.eps = 0.2, .samples = 1000}, 0.5, 1e-3).low == 299);
  CHECK(quantile_indices({.eps = 0.2, .samples = 1000}, 0.5, 1e-3).high == 702);
  CHECK_THROWS_AS(quantile_smoothed(cube, noise, at(1), Stream{}, {.p = 1}), ValueError);
  CHECK_THROWS_AS(quantile_smoothed(cube, noise, at(1), Stream{}, {.samples = 0}), ValueError);
  CHECK_THROWS_AS(quantile_smoothed(cube, AdditiveNoise{Family::laplace, 1}, at(1), Stream{}, {}), ValueError);
}

TEST_CASE("whole outputs: each number its own interval at a level shared by all; NaN is infinite; no other bits") {
  const auto image = [](const D& x) {
    D y(Shape{x.shape()[0], 2, 3});
    for (std::int64_t i = 0; i < x.shape()[0]; ++i)
      for (std::int64_t j = 0; j < 6; ++j) y(i * 6 + j) = j == 5 && x(i, 0) > 0.6 ? NAN : double(j) * x(i, j % 2);
    return y;
  };
  const QuantileOptions o{.eps = 0.1, .samples = 800, .alpha = 0.01, .batch = 37};
  const auto r = quantile_smoothed(image, noise, at(1), Stream{.seed = 6}, o);
  CHECK(r.low.shape() == Shape{2, 3});
  const QuantileIndices k = quantile_indices(o, 0.5, 0.01 / 12);
  CHECK(k.low > 0);
  CHECK(r.low(0) == 0);
  CHECK(r.high(1) / 1 == doctest::Approx(r.high(3) / 3).epsilon(1e-12));
  CHECK(std::isinf(r.high(5)));
  CHECK(std::isfinite(r.low(5)));
  QuantileOptions other = o;
  other.batch = 800;
  const int before = threads();
  set_threads(3);
  const auto again = quantile_smoothed(image, noise, at(1), Stream{.seed = 6}, other);
  set_threads(before);
  for (std::int64_t j = 0; j < 6; ++j) {
    CHECK(again.value(j) == r.value(j));
    CHECK(again.high(j) == r.high(j));
  }
}

TEST_CASE("mean smoothing: holds for bounded regressors; wide for heavy tails, where the median is not") {
  const auto step = regressor([](double t) { return t > 0 ? 1.0 : 0.0; });
  // E f(x + δ) = Φ((t ± ε)/σ) is known, and the bound is tight for a half-space.
  const auto r = mean_smoothed(step, noise, at(0.3), Stream{}, {.eps = 0.2, .samples = 20000, .batch = 500}, 0, 1);
  CHECK(r.value.item() == doctest::Approx(normal_cdf(0.6)).epsilon(0.02));
  CHECK(r.low.item() <= normal_cdf(0.2));
  CHECK(r.low.item() >= normal_cdf(0.2) - 0.03);
  CHECK(r.high.item() >= normal_cdf(1.0));
  CHECK(r.high.item() <= normal_cdf(1.0) + 0.03);
  const auto heavy = regressor([](double t) { return std::clamp(std::pow(t, 9), -1e4, 1e4); });
  const QuantileOptions o{.eps = 0.2, .samples = 4000, .batch = 500};
  const auto by_mean = mean_smoothed(heavy, noise, at(0.3), Stream{}, o, -1e4, 1e4);
  const auto by_median = quantile_smoothed(heavy, noise, at(0.3), Stream{}, o);
  CHECK(by_mean.high.item() - by_mean.low.item() > 100 * (by_median.high.item() - by_median.low.item()));
  CHECK_THROWS_AS(mean_smoothed(heavy, noise, at(0.3), Stream{}, o, -1, 1), ValueError);
  CHECK_THROWS_AS(mean_smoothed(heavy, noise, at(0.3), Stream{}, o, 1, 1), ValueError);
}
