// half and bfloat16 against the definition of rounding to nearest even, over all their values and what lies between.
#include "tenzo/core/dtype.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace tenzo;

namespace {

/// The nearest multiple of the unit that a format has at x, ties to even, by exact double arithmetic.
///   digits: significant bits; least: exponent of the least normal number; largest: the largest finite value.
double rounded(double x, int digits, int least, double largest) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int e = std::max(std::ilogb(x), least);
  const double unit = std::ldexp(1.0, e - digits + 1), r = std::nearbyint(x / unit) * unit;
  return std::abs(r) > largest ? std::copysign(INFINITY, x) : r;
}

double as_half(double x) { return rounded(x, 11, -14, 65504); }
double as_bfloat16(double x) { return rounded(x, 8, -126, 0x1.fep127); }

template <class F>
void for_all_bits(F&& f) {
  for (std::uint32_t b = 0; b < 0x10000u; ++b) f(std::uint16_t(b));
}

}  // namespace

TEST_CASE("dtype: every half and bfloat16 survives float, NaNs as quiet NaNs") {
  bool halves = true, bfloats = true;
  for_all_bits([&](std::uint16_t b) {
    half h;
    h.bits = b;
    bfloat16 w;
    w.bits = b;
    const half h2(static_cast<float>(h));
    const bfloat16 w2(static_cast<float>(w));
    halves = halves && (std::isnan(float(h)) ? (h2.bits & 0x7e00u) == 0x7e00u : h2.bits == b);
    bfloats = bfloats && (std::isnan(float(w)) ? std::isnan(float(w2)) && (w2.bits & 0x40u) : w2.bits == b);
  });
  CHECK(halves);
  CHECK(bfloats);
}

TEST_CASE("dtype: half's values are those of the standard") {
  half h;
  for (const auto& [bits, value] : {std::pair<int, float>{0x3c00, 1.f},
                                    {0xc000, -2.f},
                                    {0x7bff, 65504.f},
                                    {0x0400, 0x1p-14f},
                                    {0x03ff, 0x1.ff8p-15f},
                                    {0x0001, 0x1p-24f}}) {
    h.bits = std::uint16_t(bits);
    CHECK(float(h) == value);
  }
  h.bits = 0x7c00;
  CHECK(std::isinf(float(h)));
  h.bits = 0x8000;
  CHECK(std::signbit(float(h)));
}

TEST_CASE("dtype: rounding to nearest even, around every value of the formats") {
  int wrong = 0;
  for_all_bits([&](std::uint16_t b) {
    half h;
    h.bits = b;
    bfloat16 w;
    w.bits = b;
    for (const float at : {float(h), float(w)}) {
      if (!std::isfinite(at)) continue;
      // The value, its float neighbours, and a little more or less than the middle to the next value above.
      const float up = std::nextafter(at, INFINITY), down = std::nextafter(at, -INFINITY);
      const float near_middle_half = float(double(at) + 0.5 * std::ldexp(1.0, std::max(std::ilogb(at), -14) - 10));
      const float near_middle_bf = float(double(at) + 0.5 * std::ldexp(1.0, std::max(std::ilogb(at), -126) - 7));
      for (const float middle : {near_middle_half, near_middle_bf})
        for (const float x :
             {at, up, down, middle, std::nextafter(middle, INFINITY), std::nextafter(middle, -INFINITY)}) {
          wrong += double(float(half(x))) != as_half(double(x));
          wrong += double(float(bfloat16(x))) != as_bfloat16(double(x));
        }
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("dtype: infinities, overflow and signed zeros") {
  CHECK(half(65519.99f).bits == 0x7bff);
  CHECK(half(65520.f).bits == 0x7c00);
  CHECK(half(-1e30f).bits == 0xfc00);
  CHECK(half(-0.f).bits == 0x8000);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
  CHECK(bfloat16(-INFINITY).bits == 0xff80);
  CHECK(bfloat16(-0.f).bits == 0x8000);
  CHECK(std::isnan(float(half(NAN))));
  CHECK(std::isnan(float(bfloat16(std::bit_cast<float>(0x7f800001u)))));  // a NaN whose payload would round to infinity
}

TEST_CASE("dtype: names") {
  CHECK(dtype_name<float>() == "f32");
  CHECK(dtype_name<double>() == "f64");
  CHECK(dtype_name<half>() == "f16");
  CHECK(dtype_name<bfloat16>() == "bf16");
  CHECK(dtype_name<std::complex<float>>() == "c64");
  CHECK(dtype_name<std::complex<double>>() == "c128");
  CHECK(dtype_name<bool>() == "bool");
  CHECK(dtype_name<std::int8_t>() == "i8");
  CHECK(dtype_name<std::uint16_t>() == "u16");
  CHECK(dtype_name<std::int32_t>() == "i32");
  CHECK(dtype_name<std::uint64_t>() == "u64");
  static_assert(Scalar<half> && Scalar<bool> && !Scalar<void*> && Real<double> && !Real<half>);
}
