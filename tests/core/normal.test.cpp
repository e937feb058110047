#include "tenzo/core/normal.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>

using namespace tenzo;

namespace {

/// The word whose m is given, with a positive sign.
float of_m(std::uint32_t m) { return normal_from_word(m); }

/// Φ(-z), to some units in the last place of a double.
double upper_tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.)); }

double density(double z) { return std::exp(-0.5 * z * z) / std::sqrt(2 * std::acos(-1.)); }

/// Step of the words in tests over all of them: prime, so that it meets all octaves and mantissas.
constexpr std::uint32_t stride = 1009;

}  // namespace

TEST_CASE("normal: the quantile of every octave to 7.4e-7") {
  // |z - q| = |Φ(-z) - u| / φ(ξ) to first order, q the true quantile of u = v / 2^32; the second order is below 1e-11.
  double worst = 0;
  for (std::uint64_t m = 1; m < 1ull << 31; m += m < 200000 ? 2 : 2 * stride) {
    const double z = of_m(std::uint32_t(m)), u = double(float(std::int32_t(m))) * 0x1p-32;
    worst = std::max(worst, std::abs(upper_tail(z) - u) / density(z));
  }
  CHECK(worst < 7.4e-7);
  CHECK(worst > 1e-7);  // the measure measures
}

TEST_CASE("normal: monotone within octaves and across their borders") {
  bool monotone = true;
  float last = of_m(1);
  CHECK(last < 6.24f);
  CHECK(last > 6.22f);
  for (std::uint64_t m = 3; m < 1ull << 31; m += m < 200000 ? 2 : 2 * stride) {
    const float z = of_m(std::uint32_t(m));
    monotone = monotone && z <= last;
    last = z;
  }
  for (int e = 1; e < 31; ++e)
    for (int j = -300; j < 300; ++j) {  // 600 neighbouring floats around 2^e
      const float v = std::bit_cast<float>(std::bit_cast<std::uint32_t>(std::ldexp(1.f, e)) + std::uint32_t(j));
      const float next = std::nextafter(v, 1e10f);
      if (v < 1 || next >= 0x1p31f) continue;
      monotone = monotone && of_m(std::uint32_t(next)) <= of_m(std::uint32_t(v));
    }
  CHECK(monotone);
  CHECK(of_m(0x7fffffffu) == 0.f);
}

TEST_CASE("normal: the top bit is the sign, the lowest bit is not used") {
  for (const std::uint32_t x : {0u, 1u, 12345u, 0x40000000u, 0x7ffffffeu, 0x7fffffffu}) {
    CHECK(normal_from_word(x | 0x80000000u) == -normal_from_word(x));
    CHECK(normal_from_word(x | 1u) == normal_from_word(x & ~1u));
  }
}

TEST_CASE("normal: moments over all words are those of the normal law") {
  // The midpoint rule over the quantile function: cells of width h = 2 stride / 2^32 err by less than h in the tail.
  double n = 0, second = 0, fourth = 0;
  for (std::uint64_t m = stride; m < 1ull << 31; m += 2 * stride) {
    const double z = of_m(std::uint32_t(m)), z2 = z * z;
    n += 1, second += z2, fourth += z2 * z2;
  }
  CHECK(std::abs(second / n - 1) < 3e-5);
  CHECK(std::abs(fourth / n - 3) < 1e-3);
}

TEST_CASE("normal: sixteen lanes give the bits of the scalar function") {
  bool equal = true;
  std::uint32_t x = 1;
  for (int block = 0; block < 20000; ++block) {
    std::uint32_t words[16];
    float z[16];
    for (std::uint32_t& word : words) {
      x = x * 1664525u + 1013904223u;         // any words will do
      word = block % 2 ? x : x >> (x >> 27);  // and small magnitudes too
    }
    detail::normal_from_words(detail::Words::load(words)).store(z);
    for (std::size_t i = 0; i < 16; ++i)
      equal = equal && std::bit_cast<std::uint32_t>(z[i]) == std::bit_cast<std::uint32_t>(normal_from_word(words[i]));
  }
  CHECK(equal);
}
