// Noise of smoothing: laws, keys, batches, threads; radii against tables; splitting.
#include "tenzo/smoothing/noise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/smoothing/radius.hpp"
#include "tenzo/smoothing/split_classifier.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

/// Moments of 200,000 draws.
struct Moments {
  double mean = 0, variance = 0, fourth = 0, absolute = 0, largest = 0;
};
Moments moments(const AdditiveNoise& noise) {
  constexpr std::int64_t n = 200000;
  std::vector<double> v(n);
  noise.draw(Stream{.seed = 3}.key(0), n, v.data());
  Moments m;
  for (const double x : v) {
    m.mean += x / n;
    m.variance += x * x / n;
    m.fourth += x * x * x * x / n;
    m.absolute += std::abs(x) / n;
    m.largest = std::max(m.largest, std::abs(x));
  }
  return m;
}

}  // namespace

TEST_CASE("smoothing noise: each family has its law, of the same deviation") {
  // 6 standard errors: mean σ/√n = 1.1e-3, variance √(κ − 1) σ²/√n with kurtosis κ = 3, 6, 1.8, 1.
  const double sigma = 0.5, n = 200000;
  for (const Family f : {Family::gaussian, Family::laplace, Family::uniform, Family::rademacher}) {
    CAPTURE(int(f));
    const AdditiveNoise noise{f, sigma};
    const Moments m = moments(noise);
    CHECK(std::abs(m.mean) < 6 * sigma / std::sqrt(n));
    CHECK(std::abs(m.variance - 0.25) < 6 * 0.25 * std::sqrt(5 / n));
    const double s2 = sigma * sigma, kurtosis = m.fourth / (m.variance * m.variance);
    if (f == Family::gaussian) CHECK(kurtosis == doctest::Approx(3).epsilon(0.03));
    if (f == Family::laplace) {
      CHECK(m.absolute == doctest::Approx(noise.lambda()).epsilon(0.02));
      CHECK(kurtosis == doctest::Approx(6).epsilon(0.08));
      CHECK(2 * noise.lambda() * noise.lambda() == doctest::Approx(s2));
    }
    if (f == Family::uniform) {
      CHECK(m.largest < noise.lambda());
      CHECK(m.largest > 0.999 * noise.lambda());
      CHECK(kurtosis == doctest::Approx(1.8).epsilon(0.01));
    }
    if (f == Family::rademacher) CHECK(m.largest == 0.5);
  }
  CHECK(noise_family("laplace") == Family::laplace);
  CHECK_THROWS_AS(noise_family("cauchy"), ValueError);
}

TEST_CASE("smoothing noise: a sample is a function of seed, image, phase and number; not of batches and threads") {
  const D x = D::from({2, 3}, {0, 1, 2, 3, 4, 5});
  const AdditiveNoise noise{Family::gaussian, 0.3};
  const Stream s{.seed = 9, .image = 4, .phase = Phase::selection};
  const D all = noisy(noise, x, s, 0, 40);
  CHECK(all.shape() == Shape{40, 2, 3});
  for (const int team : {1, 3}) {
    const int before = threads();
    set_threads(team);
    for (std::int64_t i = 0; i < 40; i += 7) {
      const std::int64_t some = std::min<std::int64_t>(7, 40 - i);
      const D part = noisy(noise, x, s, i, some);
      for (std::int64_t k = 0; k < part.size(); ++k) CHECK(part(k) == all(i * 6 + k));
    }
    set_threads(before);
  }
  for (Stream other : {Stream{.seed = 10, .image = 4, .phase = Phase::selection},
                       Stream{.seed = 9, .image = 5, .phase = Phase::selection},
                       Stream{.seed = 9, .image = 4, .phase = Phase::estimation}}) {
    const D y = noisy(noise, x, other, 0, 40);
    for (std::int64_t k = 0; k < y.size(); ++k) CHECK(y(k) != all(k));
  }
  // the same stream for a batch of different inputs
  const D eta = noise_for<double>(noise, Shape{3, 6}, Stream{.seed = 9, .image = 3, .phase = Phase::selection}, 2, 2);
  CHECK(eta.shape() == Shape{2, 3, 6});
  for (std::int64_t k = 0; k < 6; ++k) CHECK(eta(0 * 18 + 1 * 6 + k) + x(k) == all(2 * 6 + k));
  CHECK(noisy(noise, D(Shape{0}), s, 0, 3).shape() == Shape{3, 0});
  CHECK(noisy(noise, x, s, 0, 0).size() == 0);
  CHECK_THROWS_AS(noisy(noise, x, s, -1, 1), ValueError);
  CHECK_THROWS_AS(noisy(noise, x, s, 0, -1), ValueError);
  CHECK_THROWS_AS(noisy(AdditiveNoise{Family::gaussian, -1}, x, s, 0, 1), ValueError);
}

TEST_CASE("radii: tables, two bounds, edges") {
  const auto near = [](double got, double want) { CHECK(std::abs(got - want) <= 1e-9 * std::abs(want)); };
  near(gaussian_radius(1, 0.8, 0.1), 1.0615864002);
  near(gaussian_radius(1, 0.8), 0.8416212336);
  near(gaussian_radius(1, 0.6, 0.3), 0.3888738079);
  near(gaussian_radius(1, 0.6), 0.2533471031);
  near(gaussian_radius(1, 0.999, 0.0005), 3.190379519);
  near(gaussian_radius(1, 0.999), 3.090232306);
  near(gaussian_radius(0.5, 0.9, 0.1), gaussian_radius(0.5, 0.9));
  near(laplace_l1_radius(0.5, 0.6), 0.1115717757);
  near(laplace_l1_radius(0.5, 0.9), 0.8047189562);
  near(laplace_l1_radius(0.5, 0.99), 1.956011503);
  near(laplace_l1_radius(0.5, 0.99, 0.01), 1.956011503);
  near(laplace_l1_radius(0.5, 0.6, 0.01), 0.25 * std::log(60));
  near(uniform_l1_radius(0.5, 0.6), 0.1);
  near(uniform_l1_radius(0.5, 0.9), 0.4);
  near(uniform_l1_radius(0.5, 0.99), 0.49);
  near(uniform_l1_radius(0.5, 0.6, 0.1), 0.25);
  near(uniform_linf_radius(0.5, 0.9, 10), 1 - std::pow(0.6, 0.1));
  near(laplace_linf_radius_approximate(0.5, 0.9, 4), 0.25 * normal_quantile(0.9));
  for (const double p : {0.0, 0.3, 0.5}) {
    CHECK(gaussian_radius(1, p) == 0);
    CHECK(laplace_l1_radius(1, p) == 0);
    CHECK(uniform_l1_radius(1, p) == 0);
    CHECK(gaussian_radius(1, p, 0.6) == 0);
  }
  CHECK(std::isinf(gaussian_radius(1, 1)));
  CHECK_THROWS_AS(gaussian_radius(1, 1.1), ValueError);
  CHECK_THROWS_AS(gaussian_radius(-1, 0.9), ValueError);
  CHECK_THROWS_AS(certified_radius(AdditiveNoise{Family::rademacher, 1}, 0.9), ValueError);
  const Radii g = certified_radii({Family::gaussian, 0.5}, 0.9, 784),
              u = certified_radii({Family::uniform, 0.5}, 0.9, 784);
  near(g.linf, g.l2 / 28);
  CHECK(g.l1 == g.l2);
  near(u.l2, u.l1 / 28);
  CHECK(u.linf > u.l1 / 784);
}

TEST_CASE("splitting: a coordinate's piece changes with probability |x − x'| / 2λ") {
  for (const bool shared : {false, true}) {
    const SplitNoise noise{.lambda = 0.75, .shared = shared};
    const D a = D::from({2}, {0.1, 0.8}), b = D::from({2}, {0.4, 0.75});
    const Stream s{.seed = 5};
    const D at_a = noisy(noise, a, s, 0, 20000), at_b = noisy(noise, b, s, 0, 20000);
    for (std::int64_t j = 0; j < 2; ++j) {
      double changed = 0;
      for (std::int64_t i = 0; i < 20000; ++i) {
        changed += at_a(i, j) != at_b(i, j);
        CHECK(at_a(i, j) >= 0);
        CHECK(at_a(i, j) <= 1);
      }
      // five standard errors
      const double p = std::abs(a(j) - b(j)) / 1.5;
      CHECK(std::abs(changed / 20000 - p) < 5 * std::sqrt(p / 20000));
    }
  }
}

TEST_CASE("deterministic splitting: pieces change for exactly |x − x'| levels of the shifts; what is refused") {
  const DeterministicSplit split{.levels = 8, .lambda = 0.75, .seed = 3};
  CHECK(split.shifts() == 12);
  for (std::int64_t i = 0; i <= 8; ++i)
    for (std::int64_t k = 0; k <= 8; ++k) {
      const D a = split.samples(D::from({2}, {i / 8., 0.5}), 0, 12),
              b = split.samples(D::from({2}, {k / 8., 0.5}), 0, 12);
      std::int64_t changed = 0;
      for (std::int64_t j = 0; j < 12; ++j) {
        changed += a(j, 0) != b(j, 0);
        CHECK(a(j, 1) == b(j, 1));
      }
      CHECK(changed == std::abs(i - k));
    }
  CHECK_THROWS_AS(split.samples(D::from({1}, {0.3}), 0, 1), ValueError);
  CHECK_THROWS_AS(split.samples(D::from({1}, {1.125}), 0, 1), ValueError);
  CHECK_THROWS_AS(split.samples(D::from({1}, {0.5}), 0, 13), ValueError);
  CHECK_THROWS_AS((DeterministicSplit{.levels = 8, .lambda = 0.7}.shifts()), ValueError);
}

TEST_CASE("deterministic splitting: exact certificates, the same bits, in the error of the Monte Carlo ones") {
  // f: the larger of x0 and 1 − x0 as the split shows it. Its exact share is that of random shifts, one coordinate's
  // shift being uniform in both.
  const auto scores = [](const D& x) {
    D s(Shape{x.shape()[0], 2});
    for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = x(i, 0), s(i, 1) = 0.5;
    return s;
  };
  const DeterministicSplit split{.levels = 10, .lambda = 0.5};
  const SmoothedClassifier monte_carlo(scores, SplitNoise{.lambda = 0.5});
  for (std::int64_t level = 0; level <= 10; ++level) {
    const D x = D::from({3}, {double(level) / 10, 0.3, 0.9});
    const Certificate exact = certify_split(scores, x, split), batches = certify_split(scores, x, split, 3);
    CHECK(exact == batches);
    CHECK(exact.draws == 10);
    const Votes v = monte_carlo.votes(x, {.seed = 2}, 4000, 256);
    CHECK(std::abs(double(v.of(exact.candidate)) / 4000 - exact.lower) < 5 * 0.5 / std::sqrt(4000.0));
    // no input on the levels within the radius has another label
    if (exact.label == abstain) continue;
    for (std::int64_t other = 0; other <= 10; ++other) {
      const Certificate there = certify_split(scores, D::from({3}, {double(other) / 10, 0.3, 0.9}), split);
      if (double(std::abs(other - level)) / 10 < exact.radius - 1e-12) CHECK(there.label == exact.label);
    }
  }
}

TEST_CASE(
    "deterministic splitting: random shifts with the same turns agree with exact certificates, and with no others") {
  // A network of several coordinates: their turns, and so their joint law, matter.
  const auto scores = [](const D& x) {
    D s(Shape{x.shape()[0], 2});
    for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = x(i, 0) * x(i, 1) + x(i, 2) * x(i, 3), s(i, 1) = 0.5;
    return s;
  };
  constexpr double alpha = 1e-3;
  const DeterministicSplit split{.levels = 50, .lambda = 0.5, .seed = 4};
  const SplitNoise noise = split.at_random(4);
  CHECK(noise.fixed.size() == 4);
  CHECK_THROWS_AS(noisy(noise, D::zeros({3}), {}, 0, 1), ShapeError);
  std::int64_t agreed = 0, of_others = 0, of_forged = 0;
  for (std::int64_t k = 0; k < 10; ++k) {
    const D x = D::from({4}, {0.5 + 0.04 * double(k), 0.6, 0.3, 0.9 - 0.06 * double(k)});
    const Certificate exact = certify_split(scores, x, split);
    CHECK(exact.lower > 0.5);
    CHECK(exact.lower < 1);
    const auto agrees = [&](const Certificate& c) {
      return agrees_with_random_shifts(scores, x, split, c, {.seed = 8, .image = k}, 3000, alpha);
    };
    agreed += agrees(exact);
    // the shares of other turns, and of a share that is forged
    DeterministicSplit other = split;
    other.seed = 5;
    of_others += agrees(certify_split(scores, x, other));
    Certificate forged = exact;
    forged.lower -= 0.06;
    of_forged += agrees(forged);
  }
  CHECK(agreed == 10);
  CHECK(of_others < 10);
  CHECK(of_forged == 0);
}
