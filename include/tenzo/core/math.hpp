// Elementary functions without branches, tables or libm in float: loops over arrays vectorise, every build gives the
// same bits. In double they are the standard library's.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/core/device.hpp"
#include "tenzo/core/simd.hpp"

namespace tenzo::math {

namespace detail {

TENZO_FUNCTION std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
TENZO_FUNCTION float real(std::uint32_t u) { return std::bit_cast<float>(u); }

inline constexpr float inf = std::numeric_limits<float>::infinity();
inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();

/// Adding it rounds to an integer n, |n| < 2²², and leaves n in the low bits.
inline constexpr float rounder = 0x1.8p23f;

/// Both are computed already: the compiler makes a blend of it.
TENZO_FUNCTION float select(bool c, float a, float b) {
  return real((bits(a) & -std::uint32_t(c)) | (bits(b) & ~-std::uint32_t(c)));
}

TENZO_FUNCTION float abs(float x) { return real(bits(x) & 0x7fffffffu); }
TENZO_FUNCTION float copysign(float magnitude, float sign) {
  return real((bits(magnitude) & 0x7fffffffu) | (bits(sign) & 0x80000000u));
}

/// 2ⁿ for an integer n in [−126, 127], given as two's complement.
TENZO_FUNCTION float power_of_two(std::uint32_t n) { return real((n + 127u) << 23); }

/// x = n log 2 + r, |r| <= log 2 / 2.
struct ByLog2 {
  float r;
  std::uint32_t n;
};

TENZO_FUNCTION ByLog2 reduce_by_log2(float x) {
  const float t = std::fma(x, 0x1.715476p+0f, rounder), n = t - rounder;
  const float r = std::fma(-n, 0x1.62e430p-1f, x);
  return {std::fma(-n, -0x1.05c610p-29f, r), bits(t) - bits(rounder)};
}

/// eʳ − 1 for |r| <= log 2 / 2, relative error 1.4e-8: our own minimax fit, as all polynomials here.
TENZO_FUNCTION float expm1_near_zero(float r) {
  float q = 0x1.6cd792p-10f;
  q = std::fma(q, r, 0x1.122c52p-7f);
  q = std::fma(q, r, 0x1.555538p-5f);
  q = std::fma(q, r, 0x1.5554aap-3f);
  q = std::fma(q, r, 0.5f);
  return std::fma(q, r * r, r);
}

/// log(1 + f) + k log 2 for 1 + f in [√½, √2); the polynomial's relative error is 7.6e-9.
TENZO_FUNCTION float log1p_near_zero(float f, float k) {
  float p = -0x1.42c5d6p-4f;
  p = std::fma(p, f, 0x1.07f4a4p-3f);
  p = std::fma(p, f, -0x1.0cd802p-3f);
  p = std::fma(p, f, 0x1.226a84p-3f);
  p = std::fma(p, f, -0x1.547816p-3f);
  p = std::fma(p, f, 0x1.99a5bap-3f);
  p = std::fma(p, f, -0x1.000222p-2f);
  p = std::fma(p, f, 0x1.55554ap-2f);
  const float f2 = f * f, tail = std::fma(-0.5f, f2, f * f2 * p);
  return std::fma(k, 0x1.62e4p-1f, f + std::fma(k, 0x1.7f7d1cp-20f, tail));  // k · the first constant is exact
}

/// x = m · 2ᵏ with m in [√½, √2), for x positive and normal.
struct Split {
  float m, k;
};

TENZO_FUNCTION Split split(float x) {
  const std::uint32_t k = std::uint32_t(std::int32_t(bits(x) - 0x3f3504f3u) >> 23);
  return {real(bits(x) - (k << 23)), float(std::int32_t(k))};
}

/// x = n π/2 + r, |r| <= π/4; n modulo 4. In double, so that r is right to its last bit for |x| < 2⁵⁰.
struct ByRightAngle {
  float r;
  std::uint32_t quarter;
};

TENZO_FUNCTION ByRightAngle reduce_by_right_angle(float x) {
  constexpr double to_integer = 0x1.8p52;
  const double t = std::fma(double(x), 0x1.45f306dc9c883p-1, to_integer), n = t - to_integer;
  const double r = std::fma(-n, 0x1.1a62633145c07p-54, std::fma(-n, 0x1.921fb54442d18p+0, double(x)));
  return {float(r), std::uint32_t(std::bit_cast<std::uint64_t>(t))};
}

/// The sine of a + quarter · π/2 with |a| <= π/4, for the polynomials' relative error of 3.7e-9.
TENZO_FUNCTION float sine_of(float a, std::uint32_t quarter) {
  const float a2 = a * a;
  float s = -0x1.9954a4p-13f;
  s = std::fma(s, a2, 0x1.11077ap-7f);
  s = std::fma(s, a2, -0x1.555546p-3f);
  s = std::fma(s, a2 * a, a);
  float c = 0x1.99e0eep-16f;
  c = std::fma(c, a2, -0x1.6c0c1ap-10f);
  c = std::fma(c, a2, 0x1.55554ap-5f);
  c = std::fma(c, a2 * a2, std::fma(-0.5f, a2, 1.f));
  return real(bits(select(quarter & 1u, c, s)) ^ ((quarter & 2u) << 30));
}

}  // namespace detail

/// eˣ. Error below 1.1 ulp, subnormal results included; 0 below −104, infinity above 88.8.
TENZO_FUNCTION float exp(float x) {
  using namespace detail;
  const bool vanishes = x < -104.f;  // set aside: a product that underflows costs a hundred cycles
  const float y = select(vanishes, 0.f, select(x > 89.f, 89.f, x));
  const ByLog2 a = reduce_by_log2(y);
  const std::uint32_t half = std::uint32_t(std::int32_t(a.n) >> 1);  // 2ⁿ in two factors: n goes from −150 to 128
  const float e = (1.f + expm1_near_zero(a.r)) * power_of_two(half) * power_of_two(a.n - half);
  return select(vanishes, 0.f, e);
}

/// eˣ − 1, right near zero. Error below 1.6 ulp.
TENZO_FUNCTION float expm1(float x) {
  using namespace detail;
  float y = select(x < -18.f, -18.f, x);
  y = select(y > 89.f, 89.f, y);
  const ByLog2 a = reduce_by_log2(y);
  const float p = expm1_near_zero(a.r), half = power_of_two(a.n - 1u);  // 2ⁿ / 2: n may be 128
  return copysign(select(a.n == 0u, p, 2.f * std::fma(half, p, half - 0.5f)), x);
}

/// log x. Error below 1 ulp; −∞ at ±0, NaN below.
TENZO_FUNCTION float log(float x) {
  using namespace detail;
  const bool subnormal = x < 0x1p-126f;
  const Split s = split(select(subnormal, x * 0x1p23f, x));
  float y = log1p_near_zero(s.m - 1.f, s.k - select(subnormal, 23.f, 0.f));
  y = select(x == 0.f, -inf, y);
  y = select(x < 0.f, nan, y);
  return select(x < inf, y, x);
}

/// log(1 + x), right near zero. Error below 1.5 ulp; −∞ at −1, NaN below.
TENZO_FUNCTION float log1p(float x) {
  using namespace detail;
  const float u = 1.f + x;
  const Split s = split(u);
  const float scale = power_of_two(0u - std::uint32_t(std::int32_t(s.k)));          // m = (1 + x) · scale
  const float f = select(x < 0x1p25f, std::fma(x, scale, scale - 1.f), s.m - 1.f);  // without the rounding of 1 + x
  float y = copysign(log1p_near_zero(f, s.k), x);
  y = select(x == -1.f, -inf, y);
  y = select(x < -1.f, nan, y);
  return select(x < inf, y, x);
}

/// tanh x = −e / (2 + e) · sign x, e = expm1(−2|x|). Error below 2.6 ulp.
TENZO_FUNCTION float tanh(float x) {
  const float e = expm1(-2.f * detail::abs(x));
  return detail::copysign(e / (2.f + e), x);
}

/// 1 / (1 + e⁻ˣ), with small relative error on both sides. Error below 2.5 ulp.
TENZO_FUNCTION float sigmoid(float x) {
  const float e = exp(-detail::abs(x));
  return detail::select(x < 0.f, e, 1.f) / (1.f + e);
}

/// log(1 + eˣ) = max(x, 0) + log1p(e^−|x|). Error below 2 ulp.
TENZO_FUNCTION float softplus(float x) {
  const float tail = log1p(exp(-detail::abs(x)));
  return detail::select(x > 0.f, x, 0.f) + tail;
}

/// The error function: x + x P(x²) near zero, 1 − exp(−|x| Q(|x|)) elsewhere. Error below 1.1 ulp.
TENZO_FUNCTION float erf(float x) {
  using namespace detail;
  const float a = abs(x), x2 = x * x;
  float p = 0x1.4f562ep-14f;
  p = std::fma(p, x2, -0x1.a606c2p-11f);
  p = std::fma(p, x2, 0x1.5449e4p-8f);
  p = std::fma(p, x2, -0x1.b80118p-6f);
  p = std::fma(p, x2, 0x1.ce2d64p-4f);
  p = std::fma(p, x2, -0x1.812740p-2f);
  p = std::fma(p, x2, 0x1.06eba8p-3f);
  const float c = select(a > 4.f, 4.f, a);
  float q = -0x1.c207a8p-13f;
  q = std::fma(q, c, 0x1.a60b0cp-9f);
  q = std::fma(q, c, -0x1.774a38p-6f);
  q = std::fma(q, c, 0x1.af4100p-4f);
  q = std::fma(q, c, 0x1.457a6ap-1f);
  q = std::fma(q, c, 0x1.20e6aep+0f);
  const float far = 1.f - exp(-c * q);
  return copysign(select(a < 0x1.d8p-1f, std::fma(p, a, a), far), x);
}

/// sin x. Error below 1.7 ulp for |x| < 2⁵⁰; NaN beyond, where neighbouring floats are many turns apart.
TENZO_FUNCTION float sin(float x) {
  const auto a = detail::reduce_by_right_angle(x);
  const float y = detail::select(x == 0.f, x, detail::sine_of(a.r, a.quarter));  // keeps the sign of −0
  return detail::select(detail::abs(x) < 0x1p50f, y, detail::nan);
}

/// cos x. Error and range as of sin.
TENZO_FUNCTION float cos(float x) {
  const auto a = detail::reduce_by_right_angle(x);
  return detail::select(detail::abs(x) < 0x1p50f, detail::sine_of(a.r, a.quarter + 1u), detail::nan);
}

namespace detail {

/// The lanes of exp's argument that do not vanish, zeros elsewhere; and p 2ⁿ, rounded once, in those lanes.
#if defined(TENZO_AVX512)
struct ExpLanes {
  __mmask16 keep;

  TENZO_INLINE explicit ExpLanes(const Simd<float>& a)
      : keep(_mm512_cmp_ps_mask(a.part[0], _mm512_set1_ps(-104.f), _CMP_NLT_UQ)) {}
  TENZO_INLINE Simd<float> argument(const Simd<float>& a) const {
    Simd<float> r;
    r.part[0] = _mm512_maskz_mov_ps(keep, a.part[0]);
    return r;
  }
  TENZO_INLINE Simd<float> scaled(const Simd<float>& p, const Simd<float>& n) const {
    Simd<float> r;
    r.part[0] = _mm512_maskz_scalef_ps(keep, p.part[0], n.part[0]);
    return r;
  }
};
#else
struct ExpLanes {
  Simd<float> a;

  TENZO_INLINE explicit ExpLanes(const Simd<float>& x) : a(x) {}
  TENZO_INLINE Simd<float> argument(const Simd<float>& x) const { return keep(x); }
  TENZO_INLINE Simd<float> scaled(const Simd<float>& p, const Simd<float>& n) const {
    const Simd<float> whole = max(n, Simd<float>(-150.f)),
                      half = tenzo::round(whole * Simd<float>(0.5f));  // n may be NaN
    return keep(p * pow2(half) * pow2(whole - half));
  }

 private:
  TENZO_INLINE Simd<float> keep(const Simd<float>& x) const {
    return where_greater(Simd<float>(-104.f), a, Simd<float>(0.f), x);
  }
};
#endif

}  // namespace detail

/// eˣ in each lane, with the bits of the scalar function.
TENZO_INLINE Simd<float> exp(const Simd<float>& a) {
  using S = Simd<float>;
  const detail::ExpLanes lanes(a);
  const S x = min(S(89.f), lanes.argument(a));  // a NaN passes
  const S n = fmadd(x, S(0x1.715476p+0f), S(detail::rounder)) - S(detail::rounder);
  const S r = fmadd(n, S(0x1.05c610p-29f), fmadd(n, S(-0x1.62e430p-1f), x));
  S q(0x1.6cd792p-10f);
  q = fmadd(q, r, S(0x1.122c52p-7f));
  q = fmadd(q, r, S(0x1.555538p-5f));
  q = fmadd(q, r, S(0x1.5554aap-3f));
  q = fmadd(q, r, S(0.5f));
  return lanes.scaled(S(1.f) + fmadd(q, r * r, r), n);
}

TENZO_INLINE Simd<double> exp(const Simd<double>& a) {
  double lane[Simd<double>::size];
  a.store(lane);
  for (double& x : lane) x = std::exp(x);
  return Simd<double>::load(lane);
}

/// 1 / (1 + e⁻ˣ) in each lane, with the bits of the scalar function.
template <Real T>
TENZO_INLINE Simd<T> sigmoid(const Simd<T>& x) {
  const Simd<T> zero(T(0)), one(T(1)), e = exp(zero - abs(x));
  return where_greater(zero, x, e, one) / (one + e);
}

TENZO_FUNCTION double exp(double x) { return std::exp(x); }
TENZO_FUNCTION double expm1(double x) { return std::expm1(x); }
TENZO_FUNCTION double log(double x) { return std::log(x); }
TENZO_FUNCTION double log1p(double x) { return std::log1p(x); }
TENZO_FUNCTION double tanh(double x) { return std::tanh(x); }
TENZO_FUNCTION double erf(double x) { return std::erf(x); }
TENZO_FUNCTION double sin(double x) { return std::sin(x); }
TENZO_FUNCTION double cos(double x) { return std::cos(x); }

TENZO_FUNCTION double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return (x < 0 ? e : 1.) / (1. + e);
}
TENZO_FUNCTION double softplus(double x) { return (x > 0 ? x : 0.) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace tenzo::math
