#include "tenzo/core/random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

using namespace tenzo;

namespace {

constexpr NoiseKey some_key{0x0123456789abcdefull, 7, 3, 11};

const Law laws[] = {Law::normal, Law::rademacher, Law::uniform, {Law::ternary, 0.3}};

std::vector<float> draw(Law law, const NoiseKey& key, std::int64_t n) {
  std::vector<float> z(static_cast<std::size_t>(n));
  fill_matrix(law, key, 1, n, z.data());
  return z;
}

/// Runs f with some number of threads, then puts the number back.
template <class F>
auto with_threads(int n, F&& f) {
  const int before = threads();
  set_threads(n);
  auto result = f();
  set_threads(before);
  return result;
}

/// A standard normal number is beyond this with probability below 1e-9.
constexpr double sigmas = 6.2;

std::vector<bfloat16> rounded(const std::vector<float>& x) {
  std::vector<bfloat16> y;
  for (const float v : x) y.emplace_back(v);
  return y;
}

bool same_bits(const std::vector<bfloat16>& a, const std::vector<bfloat16>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](bfloat16 x, bfloat16 y) { return x.bits == y.bits; });
}

}  // namespace

TEST_CASE("random: add_scaled_ is one fused multiply-add an element") {
  for (const Law law : laws)
    for (const std::int64_t rows : {1, 3, 70})
      for (const std::int64_t cols : {1, 4, 7, 64, 130, 5000}) {
        CAPTURE(int(law.kind));
        CAPTURE(rows);
        CAPTURE(cols);
        const auto size = std::size_t(rows * cols);
        std::vector<float> z(size), w(size), w_is(size + 1, 5.f);
        std::vector<double> v(size), v_is(size + 1, 5.);
        fill_matrix(law, some_key, rows, cols, z.data());
        for (std::size_t i = 0; i < size; ++i) w_is[i] = w[i] = 1 + float(i % 13) / 7, v_is[i] = v[i] = w[i];
        add_scaled_(w_is.data(), rows, cols, law, some_key, 0.1);
        add_scaled_(v_is.data(), rows, cols, law, some_key, 0.1);
        bool equal = w_is[size] == 5 && v_is[size] == 5;
        for (std::size_t i = 0; i < size; ++i)
          equal = equal && w_is[i] == std::fma(z[i], 0.1f, w[i]) && v_is[i] == std::fma(double(z[i]), 0.1, v[i]);
        CHECK(equal);
      }
}

TEST_CASE("random: many terms in one pass are the terms one after another") {
  std::vector<NoiseTerm> terms;
  for (std::uint32_t i = 0; i < 9; ++i) terms.push_back({{5, i / 3, i % 3, 2}, 0.3 - 0.1 * i, laws[i % 4]});
  for (const std::int64_t cols : {5, 128, 9001}) {
    const std::int64_t rows = 7;
    const std::vector<float> start = draw(Law::uniform, {1}, rows * cols);
    const auto check = [&](const auto& w0) {
      auto at_once = w0, in_turn = w0;
      add_scaled_(at_once.data(), rows, cols, terms);
      for (const NoiseTerm& t : terms) add_scaled_(in_turn.data(), rows, cols, t.law, t.key, t.scale);
      CAPTURE(cols);
      bool equal = true;
      for (std::size_t i = 0; i < w0.size(); ++i) equal = equal && double(at_once[i]) == double(in_turn[i]);
      CHECK(equal);
    };
    check(start);
    check(std::vector<double>(start.begin(), start.end()));
    check(rounded(start));
  }
}

TEST_CASE("random: nothing depends on the number of threads") {
  const std::int64_t rows = 37, cols = 1003;
  const auto run = [&] {
    std::vector<double> all;
    for (const Law law : laws) {
      std::vector<float> w(std::size_t(rows * cols));
      fill_matrix(law, some_key, rows, cols, w.data());
      add_scaled_(w.data(), rows, cols, law, some_key.of(Purpose::dropout), 0.7);
      all.insert(all.end(), w.begin(), w.end());
      auto b = rounded(w);
      add_scaled_(b.data(), rows, cols, law, some_key, 0.7);
      all.insert(all.end(), b.begin(), b.end());
      all.push_back(squared_norm(law, some_key, rows, cols));
    }
    return all;
  };
  const auto one = with_threads(1, run);
  CHECK(one == with_threads(2, run));
  CHECK(one == with_threads(5, run));
}

TEST_CASE("random: memory larger than the caches, at any address") {
  const std::int64_t n = detail::large_memory / 4 + 5;
  std::vector<float> z(std::size_t(n) + 4, 5.f), part(1000);
  fill_matrix(Law::rademacher, some_key, 1, n, z.data() + 3);
  CHECK(z[2] == 5);
  CHECK(z[std::size_t(n) + 3] == 5);
  for (const std::int64_t col : {std::int64_t(0), std::int64_t(3500), n / 2, n - 1000}) {
    fill(Law::rademacher, some_key, n, 0, col, 1000, part.data());
    CHECK(std::equal(part.begin(), part.end(), z.begin() + 3 + col));
  }
}

TEST_CASE("random: a bfloat16 is rounded by its own 16 bits") {
  for (const std::int64_t cols : {3, 8, 20, 64, 4099}) {
    const std::int64_t rows = 5;
    const std::vector<float> z = draw(Law::normal, some_key, rows * cols);
    std::vector<float> direction(z.size());
    fill_matrix(Law::normal, some_key, rows, cols, direction.data());
    std::vector<bfloat16> w = rounded(z), want = w;
    const NoiseKey k = some_key.of(Purpose::rounding);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const std::int64_t row = i / cols, col = i % cols;
      const auto block =
          philox4x32({std::uint32_t(row * ((cols + 7) / 8) + col / 8), k.tensor, k.query, k.step}, k.seed);
      const std::uint32_t noise = block[std::size_t(col % 8 / 2)] >> (16 * (col % 2)) & 0xffffu;
      const float x = std::fma(direction[std::size_t(i)], 0.01f, float(w[std::size_t(i)]));
      want[std::size_t(i)].bits = std::uint16_t((std::bit_cast<std::uint32_t>(x) + noise) >> 16);
    }
    add_scaled_(w.data(), rows, cols, Law::normal, some_key, 0.01);
    CAPTURE(cols);
    CHECK(same_bits(w, want));
  }
}

TEST_CASE("random: rounding to bfloat16 is unbiased, exact where it can be, and keeps NaN and infinity") {
  // 1 + 0.001 lies between 1 and 1 + 2^-7: it goes up with probability p = 0.001f 2^7.
  const std::int64_t n = 1 << 20;
  std::vector<bfloat16> w(std::size_t(n), bfloat16(1.f));
  for (std::uint32_t step = 0; step < 2; ++step) {
    std::fill(w.begin(), w.end(), bfloat16(1.f));
    // |z| = 1 for Rademacher: count the ones that went up among the + signs, down to 1 - 2^-8 among the - signs.
    add_scaled_(w.data(), 1, n, Law::rademacher, {9, step}, 0.001);
    const auto z = draw(Law::rademacher, {9, step}, n);
    double plus = 0, up = 0, down = 0, wrong = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      plus += z[i] > 0;
      up += float(w[i]) > 1;
      down += float(w[i]) < 1;
      wrong += float(w[i]) > 1 ? z[i] < 0 : float(w[i]) < 1 && z[i] > 0;
    }
    CHECK(wrong == 0);
    const double p = double(std::fma(0.001f, 1.f, 1.f) - 1) * 128, q = double(1 - std::fma(-0.001f, 1.f, 1.f)) * 256;
    CHECK(std::abs(up - p * plus) < sigmas * std::sqrt(p * (1 - p) * plus));
    CHECK(std::abs(down - q * (double(n) - plus)) < sigmas * std::sqrt(q * (1 - q) * (double(n) - plus)));
  }
  const auto kept = [](float x) {
    std::vector<bfloat16> v(100, bfloat16(x));
    add_scaled_(v.data(), 1, 100, Law::normal, some_key, 0);
    return v;
  };
  CHECK(same_bits(kept(1.5f), rounded(std::vector<float>(100, 1.5f))));
  CHECK(same_bits(kept(-INFINITY), rounded(std::vector<float>(100, -INFINITY))));
  for (const bfloat16 x : kept(NAN)) CHECK(std::isnan(float(x)));
}

TEST_CASE("random: the squared norm is that of the numbers, and the sphere's radius is √d") {
  for (const Law law : laws)
    for (const std::int64_t rows : {1, 5, 300})
      for (const std::int64_t cols : {1, 64, 77, 5000}) {
        std::vector<float> z(std::size_t(rows * cols));
        fill_matrix(law, some_key, rows, cols, z.data());
        double sum = 0;
        for (const float x : z) sum += double(x) * x;
        const double norm = squared_norm(law, some_key, rows, cols);
        // Sums of n positive terms in two orders differ by at most 2 n eps of their value.
        CHECK(std::abs(norm - sum) <= 2 * double(rows * cols) * 0x1p-53 * sum);
      }
  CHECK(squared_norm(Law::rademacher, some_key, 123, 457) == 123 * 457);
  CHECK(squared_norm(Law::normal, some_key, 0, 457) == 0);
}

TEST_CASE("random: uniform between two numbers") {
  std::vector<double> u(1000);
  std::vector<float> v(100000);
  fill_uniform(some_key, 10, 100, -2., 3., u.data());
  const auto z = [&] {
    std::vector<double> x(1000);
    fill_matrix(Law::uniform, some_key, 10, 100, x.data());
    return x;
  }();
  for (std::size_t i = 0; i < u.size(); ++i) CHECK(u[i] == std::fma(5., z[i], -2.));
  fill_uniform(some_key, 1, 100000, 1.f, std::nextafter(std::nextafter(1.f, 2.f), 2.f), v.data());
  CHECK(*std::min_element(v.begin(), v.end()) == 1.f);
  CHECK(*std::max_element(v.begin(), v.end()) == std::nextafter(1.f, 2.f));
  CHECK_THROWS_AS(fill_uniform(some_key, 1, 1, 1.f, 1.f, v.data()), ValueError);
}
