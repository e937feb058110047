// Are the numbers what their law says? One sample each, at a fixed key: a mean of n terms with standard deviation s is
// within sigmas * s / √n of its expectation unless an event of probability below 1e-9 happened, were the numbers
// random.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tenzo/core/random.hpp"

using namespace tenzo;

namespace {

constexpr NoiseKey some_key{0x0123456789abcdefull, 7, 3, 11};

std::vector<float> draw(Law law, const NoiseKey& key, std::int64_t n) {
  std::vector<float> z(static_cast<std::size_t>(n));
  fill_matrix(law, key, 1, n, z.data());
  return z;
}

/// A standard normal number is beyond this with probability below 1e-9.
constexpr double sigmas = 6.2;

double mean(const std::vector<float>& z, double (*f)(double)) {
  double sum = 0;
  for (const float x : z) sum += f(x);
  return sum / double(z.size());
}

}  // namespace

TEST_CASE("laws: moments of the laws") {
  const std::int64_t n = 4'000'000;
  const double root = std::sqrt(double(n));
  const auto one = [](double x) { return x; };
  const auto two = [](double x) { return x * x; };
  const auto three = [](double x) { return x * x * x; };
  const auto four = [](double x) { return x * x * x * x; };

  const auto z = draw(Law::normal, some_key, n);  // variances of z, z², z³, z⁴: 1, 2, 15, 96
  CHECK(std::abs(mean(z, one)) < sigmas / root);
  CHECK(std::abs(mean(z, two) - 1) < sigmas * std::sqrt(2.) / root);
  CHECK(std::abs(mean(z, three)) < sigmas * std::sqrt(15.) / root);
  CHECK(std::abs(mean(z, four) - 3) < sigmas * std::sqrt(96.) / root);

  const auto s = draw(Law::rademacher, some_key, n);
  CHECK(std::abs(mean(s, one)) < sigmas / root);
  CHECK(mean(s, two) == 1);

  const auto u = draw(Law::uniform, some_key, n);  // variances of u, u²: 1/12, 4/45
  CHECK(std::abs(mean(u, one) - 0.5) < sigmas * std::sqrt(1. / 12) / root);
  CHECK(std::abs(mean(u, two) - 1. / 3) < sigmas * std::sqrt(4. / 45) / root);
  CHECK(*std::min_element(u.begin(), u.end()) > 0);
  CHECK(*std::max_element(u.begin(), u.end()) < 1);

  for (const double density : {0., 0.01, 2. / 3, 1.}) {
    const auto t = draw({Law::ternary, density}, some_key, n);
    CHECK(std::abs(mean(t, one)) <= sigmas * std::sqrt(density) / root);
    CHECK(std::abs(mean(t, two) - density) <= sigmas * std::sqrt(density * (1 - density)) / root + 0x1p-30);
  }
}

TEST_CASE("laws: the distribution function of the normals and of the uniforms (Kolmogorov and Smirnov)") {
  // P(√n D > x) < 2 exp(-2 x²) (Massart), below 1e-9 at x = 3.28.
  const std::int64_t n = 1'000'000;
  const auto distance = [&](Law law, auto&& distribution) {
    auto z = draw(law, some_key, n);
    std::sort(z.begin(), z.end());
    double d = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double f = distribution(double(z[std::size_t(i)]));
      d = std::max({d, f - double(i) / double(n), double(i + 1) / double(n) - f});
    }
    return d * std::sqrt(double(n));
  };
  CHECK(distance(Law::normal, [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.)); }) < 3.28);
  CHECK(distance(Law::uniform, [](double x) { return x; }) < 3.28);
}

TEST_CASE("laws: bits of the signs are balanced at every place of a block, and neighbours are independent") {
  const std::int64_t rows = 10000, cols = 128;
  std::vector<float> z(std::size_t(rows * cols));
  fill_matrix(Law::rademacher, some_key, rows, cols, z.data());
  double worst = 0, worst_pair = 0;
  for (std::int64_t j = 0; j < cols; ++j) {
    double sum = 0, pair = 0;
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto at = std::size_t(i * cols);
      sum += z[at + std::size_t(j)];
      pair += z[at + std::size_t(j)] * z[at + std::size_t((j + 1) % cols)];
    }
    worst = std::max(worst, std::abs(sum));
    worst_pair = std::max(worst_pair, std::abs(pair));
  }
  // 256 sums of 10,000 signs: each beyond 7 √10000 with probability below 3e-12.
  CHECK(worst < 700);
  CHECK(worst_pair < 700);
}

TEST_CASE("laws: keys that differ anywhere give independent noise") {
  const std::int64_t n = 1'000'000;
  std::vector<NoiseKey> keys{some_key};
  for (int i = 0; i < 5; ++i) keys.push_back(some_key);
  keys[1].seed += 1, keys[2].step += 1, keys[3].query += 1, keys[4].tensor += 1;
  keys[5] = some_key.of(Purpose::rounding);
  keys.push_back({some_key.seed, some_key.query, some_key.step, some_key.tensor});
  keys.push_back({some_key.seed ^ 1ull << 63, some_key.step, some_key.query, some_key.tensor});
  for (const Law law : {Law(Law::normal), Law(Law::rademacher)}) {
    std::vector<std::vector<float>> z;
    for (const NoiseKey& k : keys) z.push_back(draw(law, k, n));
    for (std::size_t a = 0; a < z.size(); ++a)
      for (std::size_t b = 0; b < a; ++b) {
        // Products of independent numbers of variance 1 have variance 1.
        double dot = 0, squares = 0;
        for (std::size_t i = 0; i < z[a].size(); ++i) {
          dot += double(z[a][i]) * z[b][i];
          squares += (double(z[a][i]) * z[a][i] - 1) * (double(z[b][i]) * z[b][i] - 1);
        }
        CAPTURE(a);
        CAPTURE(b);
        CHECK(std::abs(dot) < sigmas * std::sqrt(double(n)));
        CHECK(std::abs(squares) < sigmas * 2 * std::sqrt(double(n)));  // z² has variance 2
      }
    for (const std::size_t lag : {1, 2, 4, 16, 64, 128}) {
      double dot = 0;
      for (std::size_t i = lag; i < z[0].size(); ++i) dot += double(z[0][i]) * z[0][i - lag];
      CHECK(std::abs(dot) < sigmas * std::sqrt(double(n)));
    }
  }
}
