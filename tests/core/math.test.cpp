#include "tenzo/core/math.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace tenzo;

namespace {

constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

// Every 4099th float: both signs, subnormals, infinities and NaNs among them.
const std::vector<float>& samples() {
  static const std::vector<float> x = [] {
    std::vector<float> all;
    for (std::uint64_t u = 0; u < (std::uint64_t(1) << 32); u += 4099)
      all.push_back(std::bit_cast<float>(std::uint32_t(u)));
    return all;
  }();
  return x;
}

double ulp_of(float y) {
  const int exponent = y == 0.f ? -200 : std::ilogb(y);
  return std::ldexp(1., std::max(exponent - 23, -149));
}

// FNV-1a over the bits; all NaNs count as one.
std::uint64_t hash_of(const std::vector<float>& y) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (float v : y) h = (h ^ (std::isnan(v) ? 0x7fc00000u : std::bit_cast<std::uint32_t>(v))) * 0x100000001b3u;
  return h;
}

struct Worst {
  double ulps = 0;
  float at = 0;
  std::int64_t wrong = 0;  // NaN, infinity or sign
};

template <class Reference>
Worst compare(const std::vector<float>& y, Reference reference) {
  Worst w;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const float x = samples()[i];
    const double exact = reference(double(x));
    const float rounded = float(exact);
    if (std::isnan(rounded) || std::isinf(rounded)) {
      const bool same = std::isnan(rounded) ? std::isnan(y[i]) : y[i] == rounded;
      if (!same) ++w.wrong;
      continue;
    }
    if (std::signbit(rounded) != std::signbit(y[i])) ++w.wrong;
    const double e = std::abs(double(y[i]) - exact) / ulp_of(rounded);
    if (!(e <= w.ulps)) w.ulps = e, w.at = x;
  }
  return w;
}

#define TENZO_CHECK_FUNCTION(function, reference, bound, pinned)                            \
  TEST_CASE("math: " #function " is within its error and has the same bits everywhere") {   \
    std::vector<float> y(samples().size());                                                 \
    const float* x = samples().data();                                                      \
    float* out = y.data();                                                                  \
    const std::int64_t n = std::int64_t(y.size());                                          \
    _Pragma("omp simd") for (std::int64_t i = 0; i < n; ++i) out[i] = math::function(x[i]); \
    const Worst w = compare(y, [](double t) { return reference; });                         \
    CAPTURE(w.at);                                                                          \
    CHECK(w.ulps < bound);                                                                  \
    CHECK(w.wrong == 0);                                                                    \
    CHECK(hash_of(y) == pinned);                                                            \
  }

double turn_limit(double t, double y) { return std::abs(t) < 0x1p50 ? y : std::numeric_limits<double>::quiet_NaN(); }

TENZO_CHECK_FUNCTION(exp, std::exp(t), 1.1, 0x1a0da991a20d8cf5u)
TENZO_CHECK_FUNCTION(expm1, std::expm1(t), 1.6, 0x4685187ab4810383u)
TENZO_CHECK_FUNCTION(log, std::log(t), 1.0, 0xef03bb923edce5eau)
TENZO_CHECK_FUNCTION(log1p, std::log1p(t), 1.5, 0x3a7b33e2c70cb2d6u)
TENZO_CHECK_FUNCTION(tanh, std::tanh(t), 2.6, 0xeb8369ed182fcb03u)
TENZO_CHECK_FUNCTION(sigmoid, t < 0 ? std::exp(t) / (1 + std::exp(t)) : 1 / (1 + std::exp(-t)), 2.5,
                     0xd1e28df7294e1c5fu)
TENZO_CHECK_FUNCTION(softplus, (t > 0 ? t : 0) + std::log1p(std::exp(-std::abs(t))), 2.0, 0xa75a84b3c50fe005u)
TENZO_CHECK_FUNCTION(erf, std::erf(t), 1.1, 0x6e06d52e55751569u)
TENZO_CHECK_FUNCTION(sin, turn_limit(t, std::sin(t)), 1.7, 0x49adcdfa81a27cd8u)
TENZO_CHECK_FUNCTION(cos, turn_limit(t, std::cos(t)), 1.7, 0xd9ac7dbe44f78fc9u)

}  // namespace

TEST_CASE("math: special values") {
  CHECK(math::exp(0.f) == 1.f);
  CHECK(math::exp(-0.f) == 1.f);
  CHECK(math::exp(-inf) == 0.f);
  CHECK(math::exp(inf) == inf);
  CHECK(math::exp(-103.f) > 0.f);  // subnormal
  CHECK(math::exp(88.8f) == inf);
  CHECK(math::exp(88.7f) < inf);
  CHECK(math::log(0.f) == -inf);
  CHECK(math::log(-0.f) == -inf);
  CHECK(math::log(1.f) == 0.f);
  CHECK(math::log1p(-1.f) == -inf);
  CHECK(std::isnan(math::log(-1.f)));
  CHECK(math::tanh(inf) == 1.f);
  CHECK(math::tanh(-100.f) == -1.f);
  CHECK(math::sigmoid(-inf) == 0.f);
  CHECK(math::sigmoid(0.f) == 0.5f);
  CHECK(math::sigmoid(1e4f) == 1.f);
  CHECK(math::softplus(-inf) == 0.f);
  CHECK(math::erf(inf) == 1.f);
  CHECK(math::cos(0.f) == 1.f);
  for (float x : {not_a_number, -not_a_number}) {
    CHECK(std::isnan(math::exp(x)));
    CHECK(std::isnan(math::expm1(x)));
    CHECK(std::isnan(math::log(x)));
    CHECK(std::isnan(math::log1p(x)));
    CHECK(std::isnan(math::tanh(x)));
    CHECK(std::isnan(math::sigmoid(x)));
    CHECK(std::isnan(math::softplus(x)));
    CHECK(std::isnan(math::erf(x)));
    CHECK(std::isnan(math::sin(x)));
    CHECK(std::isnan(math::cos(x)));
  }
  for (float zero : {0.f, -0.f}) {
    CHECK(std::signbit(math::expm1(zero)) == std::signbit(zero));
    CHECK(std::signbit(math::log1p(zero)) == std::signbit(zero));
    CHECK(std::signbit(math::tanh(zero)) == std::signbit(zero));
    CHECK(std::signbit(math::erf(zero)) == std::signbit(zero));
    CHECK(std::signbit(math::sin(zero)) == std::signbit(zero));
  }
}

TEST_CASE("math: functions of a vector have the bits of the scalar ones") {
  const auto& x = samples();
  constexpr int lanes = Simd<float>::size;
  std::int64_t differ = 0;
  const auto compare_lanes = [&](const Simd<float>& got, const float* at, auto scalar) {
    float y[lanes];
    got.store(y);
    for (int l = 0; l < lanes; ++l) {
      const float want = scalar(at[l]);
      const bool both_nan = std::isnan(want) && std::isnan(y[l]);
      differ += !both_nan && std::bit_cast<std::uint32_t>(want) != std::bit_cast<std::uint32_t>(y[l]);
    }
  };
  for (std::size_t i = 0; i + lanes <= x.size(); i += lanes) {
    const auto v = Simd<float>::load(&x[i]);
    compare_lanes(math::exp(v), &x[i], [](float t) { return math::exp(t); });
    compare_lanes(math::sigmoid(v), &x[i], [](float t) { return math::sigmoid(t); });
  }
  CHECK(differ == 0);
  double y[Simd<double>::size];
  math::sigmoid(math::exp(Simd<double>(0.25))).store(y);
  CHECK(y[3] == math::sigmoid(std::exp(0.25)));
}

TEST_CASE("math: in double the functions are the standard library's") {
  for (double x : {-3.5, -0.1, 0., 0.7, 12.}) {
    CHECK(math::exp(x) == std::exp(x));
    CHECK(math::expm1(x) == std::expm1(x));
    CHECK(math::tanh(x) == std::tanh(x));
    CHECK(math::erf(x) == std::erf(x));
    CHECK(math::sin(x) == std::sin(x));
    CHECK(math::cos(x) == std::cos(x));
    CHECK(math::log(x * x + 1) == std::log(x * x + 1));
    CHECK(math::log1p(x * x) == std::log1p(x * x));
    CHECK(math::sigmoid(x) == doctest::Approx(1 / (1 + std::exp(-x))).epsilon(1e-15));
    CHECK(math::softplus(x) == doctest::Approx(std::log(1 + std::exp(x))).epsilon(1e-14));
  }
}
