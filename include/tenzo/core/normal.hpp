// Standard normal numbers from words, by exactly rounded operations only: every machine gives the same bits.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "tenzo/core/detail/words.hpp"
#include "tenzo/core/device.hpp"

namespace tenzo {

namespace detail {

inline constexpr int normal_degree = 6;

/// Row k holds the coefficients of t^k; column i belongs to the octave i + 1 (mod 32), because the exponent of
/// v in [2^e, 2^(e+1)) is stored as e + 127. Made by scripts/normal_table.py, which also says the errors.
alignas(64) inline constexpr float normal_table[normal_degree + 1][32] = {
    {0x1.8392aap+2f, 0x1.7c5e7cp+2f, 0x1.750884p+2f, 0x1.6d8ed8p+2f, 0x1.65ef68p+2f, 0x1.5e27e8p+2f, 0x1.5635dp+2f,
     0x1.4e1654p+2f, 0x1.45c658p+2f, 0x1.3d425ap+2f, 0x1.348672p+2f, 0x1.2b8e2ep+2f, 0x1.225482p+2f, 0x1.18d3a6p+2f,
     0x1.0f04ecp+2f, 0x1.04e09p+2f,  0x1.f4baep+1f,  0x1.dee15cp+1f, 0x1.c81a78p+1f, 0x1.b0465p+1f,  0x1.973d58p+1f,
     0x1.7ccd7ap+1f, 0x1.60b5d2p+1f, 0x1.429fdp+1f,  0x1.2213b8p+1f, 0x1.fcc812p+0f, 0x1.ad0a6p+0f,  0x1.516928p+0f,
     0x1.c6380ep-1f, 0x1.46495cp-2f, 0x0p+0f,        0x1.8aa6c8p+2f},
    {-0x1.b7853ep-4f, -0x1.bf6e98p-4f, -0x1.c7c798p-4f, -0x1.d09ac8p-4f, -0x1.d9f424p-4f, -0x1.e3e15ep-4f,
     -0x1.ee722ep-4f, -0x1.f9b8b4p-4f, -0x1.02e502p-3f, -0x1.095f5ep-3f, -0x1.1059eap-3f, -0x1.17e5dap-3f,
     -0x1.2017cp-3f,  -0x1.290874p-3f, -0x1.32d65p-3f,  -0x1.3da6ccp-3f, -0x1.49a8d6p-3f, -0x1.57180cp-3f,
     -0x1.66417cp-3f, -0x1.778acp-3f,  -0x1.8b7cf6p-3f, -0x1.a2d62ep-3f, -0x1.bea6bep-3f, -0x1.e084cp-3f,
     -0x1.05767p-2f,  -0x1.2103fep-2f, -0x1.46b642p-2f, -0x1.7e613p-2f,  -0x1.db8fdap-2f, -0x1.518f86p-1f,
     0x0p+0f,         -0x1.b00234p-4f},
    {0x1.1da414p-5f, 0x1.2283c4p-5f, 0x1.27a45cp-5f, 0x1.2d0bap-5f,  0x1.32c00ap-5f, 0x1.38c8f8p-5f, 0x1.3f2ebep-5f,
     0x1.45faecp-5f, 0x1.4d3872p-5f, 0x1.54f3f4p-5f, 0x1.5d3c1cp-5f, 0x1.66221p-5f,  0x1.6fb9f4p-5f, 0x1.7a1ba4p-5f,
     0x1.85639cp-5f, 0x1.91b424p-5f, 0x1.9f36e2p-5f, 0x1.ae1eecp-5f, 0x1.beab9p-5f,  0x1.d12c1ep-5f, 0x1.e605p-5f,
     0x1.fdb694p-5f, 0x1.0c72fp-4f,  0x1.1c331ap-4f, 0x1.2e9eep-4f,  0x1.4445a6p-4f, 0x1.5d6ee2p-4f, 0x1.786e4p-4f,
     0x1.87e9c8p-4f, 0x1.1bb5ecp-4f, 0x0p+0f,        0x1.19002cp-5f},
    {-0x1.f2fa9p-7f,  -0x1.fb49bcp-7f, -0x1.020268p-6f, -0x1.069a8ep-6f, -0x1.0b728cp-6f, -0x1.10904ep-6f,
     -0x1.15fa8p-6f,  -0x1.1bb8c6p-6f, -0x1.21d3dp-6f,  -0x1.2855a2p-6f, -0x1.2f49cap-6f, -0x1.36bdb4p-6f,
     -0x1.3ec116p-6f, -0x1.47666cp-6f, -0x1.50c39ep-6f, -0x1.5af2dcp-6f, -0x1.6613b8p-6f, -0x1.724c96p-6f,
     -0x1.7fcc9ep-6f, -0x1.8ece54p-6f, -0x1.9f9b2ep-6f, -0x1.b29062p-6f, -0x1.c82584p-6f, -0x1.e0f582p-6f,
     -0x1.fdca66p-6f, -0x1.0fd67ap-5f, -0x1.24004ep-5f, -0x1.3c8ad4p-5f, -0x1.5e5cf2p-5f, -0x1.d4deb8p-5f,
     0x0p+0f,         -0x1.eb0ef8p-7f},
    {0x1.ebc286p-8f, 0x1.f3d26p-8f,  0x1.fc493ep-8f, 0x1.0297fp-7f,  0x1.07480ep-7f, 0x1.0c3a7cp-7f, 0x1.11757ap-7f,
     0x1.17002p-7f,  0x1.1ce286p-7f, 0x1.2325fp-7f,  0x1.29d50ap-7f, 0x1.30fc34p-7f, 0x1.38a9d4p-7f, 0x1.40eed2p-7f,
     0x1.49df26p-7f, 0x1.539292p-7f, 0x1.5e2594p-7f, 0x1.69baaap-7f, 0x1.767bf8p-7f, 0x1.849d8p-7f,  0x1.94602p-7f,
     0x1.a615bp-7f,  0x1.ba2694p-7f, 0x1.d1196ep-7f, 0x1.eb9d56p-7f, 0x1.054b76p-6f, 0x1.179732p-6f, 0x1.2d648p-6f,
     0x1.4692f8p-6f, 0x1.34d05ep-6f, 0x0p+0f,        0x1.e411dcp-8f},
    {-0x1.30be52p-8f, -0x1.35aaep-8f,  -0x1.3ad56ap-8f, -0x1.404324p-8f, -0x1.45f9dep-8f, -0x1.4c001cp-8f,
     -0x1.525d3ep-8f, -0x1.59199ep-8f, -0x1.603eb8p-8f, -0x1.67d76ap-8f, -0x1.6ff02ep-8f, -0x1.78976cp-8f,
     -0x1.81dde6p-8f, -0x1.8bd73p-8f,  -0x1.969a56p-8f, -0x1.a242acp-8f, -0x1.aef0dcp-8f, -0x1.bccc4p-8f,
     -0x1.cc04b4p-8f, -0x1.dcd4fep-8f, -0x1.ef861p-8f,  -0x1.0239b6p-7f, -0x1.0e089ap-7f, -0x1.1b7a34p-7f,
     -0x1.2aef14p-7f, -0x1.3ce544p-7f, -0x1.520162p-7f, -0x1.6b1918p-7f, -0x1.8977f8p-7f, -0x1.ce4b44p-7f,
     0x0p+0f,         -0x1.2c0b2p-8f},
    {0x1.62c352p-9f, 0x1.6870dep-9f, 0x1.6e6536p-9f, 0x1.74a638p-9f, 0x1.7b3a74p-9f, 0x1.822946p-9f, 0x1.897afcp-9f,
     0x1.9138fap-9f, 0x1.996deep-9f, 0x1.a22602p-9f, 0x1.ab6f34p-9f, 0x1.b559a2p-9f, 0x1.bff7fap-9f, 0x1.cb600cp-9f,
     0x1.d7ab78p-9f, 0x1.e4f88cp-9f, 0x1.f36b64p-9f, 0x1.0197b4p-8f, 0x1.0a3c9ap-8f, 0x1.13c49ep-8f, 0x1.1e5794p-8f,
     0x1.2a2748p-8f, 0x1.3772b2p-8f, 0x1.468a58p-8f, 0x1.57d642p-8f, 0x1.6bde1p-8f,  0x1.835312p-8f, 0x1.9f1b94p-8f,
     0x1.c04a74p-8f, 0x1.d2d904p-8f, 0x0p+0f,        0x1.5d574ep-9f},
};

/// normal_from_word with the table where it is kept: on a GPU in shared memory.
TENZO_FUNCTION float normal_from_word(std::uint32_t x, const float (*table)[32]) {
  const auto v = std::bit_cast<std::uint32_t>(float(std::int32_t((x & 0x7fffffffu) | 1u)));
  const float t = std::bit_cast<float>((v & 0x007fffffu) | 0x3f800000u) - 1.5f;
  const std::uint32_t octave = (v >> 23) & 31u;
  float z = table[normal_degree][octave];
  for (int k = normal_degree; k-- > 0;) z = std::fma(z, t, table[k][octave]);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(z) ^ (x & 0x80000000u));
}

}  // namespace detail

/// The standard normal quantile of a word x of 32 random bits.
///     m = (x & 0x7fffffff) | 1,  v = float(m) in [1, 2^31],  |z| = −Φ⁻¹(v / 2^32),  the sign of z is the top bit of x.
///   Method  v's exponent chooses one of 32 polynomials of degree 6, v's mantissa less 1.5 is its variable: the
///   quantile is
///           smooth over an octave of its argument. No logarithm, no branch, no rejection.
///   Law     symmetric; |z| <= 6.23; over all words E z² − 1 and E z⁴ − 3 are below 1e-7; monotone in v.
///   Error   at most 7.4e-7 against −Φ⁻¹(v / 2^32).
inline float normal_from_word(std::uint32_t x) { return detail::normal_from_word(x, detail::normal_table); }

TENZO_INTRINSICS_BEGIN

namespace detail {

#if defined(TENZO_AVX2)

/// The table with a row an octave, in the order of the columns above.
struct NormalRows {
  alignas(32) float at[32][8];

  constexpr NormalRows() : at() {
    for (std::size_t i = 0; i < 32; ++i)
      for (std::size_t k = 0; k <= normal_degree; ++k) at[i][k] = normal_table[k][i];
  }
};
inline constexpr NormalRows normal_rows;

/// The polynomials of 8 octaves: eight rows are read and transposed, for less than seven gathers cost.
TENZO_INLINE __m256 normal_polynomial(__m256i octave, __m256 t) {
  alignas(32) std::uint32_t row[8];
  _mm256_store_si256((__m256i*)row, _mm256_and_si256(octave, _mm256_set1_epi32(31)));
  const auto pair = [&](int i, int k) {  // (k … k + 3) of rows i and i + 4
    const __m256 low = _mm256_castps128_ps256(_mm_load_ps(normal_rows.at[row[i]] + k));
    return _mm256_insertf128_ps(low, _mm_load_ps(normal_rows.at[row[i + 4]] + k), 1);
  };
  const auto of_two = [](__m256 x, __m256 y, auto half) {
    return _mm256_castpd_ps(half ? _mm256_unpackhi_pd(_mm256_castps_pd(x), _mm256_castps_pd(y))
                                 : _mm256_unpacklo_pd(_mm256_castps_pd(x), _mm256_castps_pd(y)));
  };
  const __m256 a = pair(0, 4), b = pair(1, 4), c = pair(2, 4), d = pair(3, 4);
  const __m256 ab = _mm256_unpacklo_ps(a, b), cd = _mm256_unpacklo_ps(c, d);
  __m256 z = of_two(_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d), std::false_type());
  z = _mm256_fmadd_ps(z, t, of_two(ab, cd, std::true_type()));
  z = _mm256_fmadd_ps(z, t, of_two(ab, cd, std::false_type()));
  const __m256 e = pair(0, 0), f = pair(1, 0), g = pair(2, 0), h = pair(3, 0);
  const __m256 ef = _mm256_unpacklo_ps(e, f), gh = _mm256_unpacklo_ps(g, h);
  const __m256 fe = _mm256_unpackhi_ps(e, f), hg = _mm256_unpackhi_ps(g, h);
  z = _mm256_fmadd_ps(z, t, of_two(fe, hg, std::true_type()));
  z = _mm256_fmadd_ps(z, t, of_two(fe, hg, std::false_type()));
  z = _mm256_fmadd_ps(z, t, of_two(ef, gh, std::true_type()));
  return _mm256_fmadd_ps(z, t, of_two(ef, gh, std::false_type()));
}

TENZO_INLINE Simd<float> normal_polynomial(const Words& octave, const Simd<float>& t) {
  return each_part<Simd<float>>([&](int i) { return normal_polynomial(octave.part[i], t.part[i]); });
}

#else

/// The polynomials of 16 octaves (of which the low five bits count) at t.
TENZO_INLINE Simd<float> normal_polynomial(const Words& octave, const Simd<float>& t) {
  Simd<float> z = lookup(normal_table[6], octave);
  z = fmadd(z, t, lookup(normal_table[5], octave));  // written out: the table stays in registers
  z = fmadd(z, t, lookup(normal_table[4], octave));
  z = fmadd(z, t, lookup(normal_table[3], octave));
  z = fmadd(z, t, lookup(normal_table[2], octave));
  z = fmadd(z, t, lookup(normal_table[1], octave));
  return fmadd(z, t, lookup(normal_table[0], octave));
}

#endif

/// normal_from_word in 16 lanes.
TENZO_INLINE Simd<float> normal_from_words(const Words& x) {
  const Words v = as_words(to_float(and_or(x, Words(0x7fffffffu), Words(1u))));
  const Simd<float> t = as_float(and_or(v, Words(0x007fffffu), Words(0x3f800000u))) - Simd<float>(1.5f);
  return as_float(xor_and(as_words(normal_polynomial(shift_right<23>(v), t)), x, Words(0x80000000u)));
}

}  // namespace detail

TENZO_INTRINSICS_END

}  // namespace tenzo
