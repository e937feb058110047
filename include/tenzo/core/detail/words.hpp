// Sixteen words of 32 bits beside the sixteen floats of Simd<float>: what turns random bits into numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "tenzo/core/simd.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo::detail {

#if defined(TENZO_AVX512)
using WordRegister = __m512i;
#elif defined(TENZO_AVX2)
using WordRegister = __m256i;
#else
using WordRegister = std::uint32_t;
#endif

struct Words {
  static constexpr int size = 16;
  static constexpr int width = sizeof(WordRegister) / sizeof(std::uint32_t);
  static constexpr int parts = size / width;

  WordRegister part[parts];

  Words() = default;
  /// x in every lane.
  TENZO_INLINE explicit Words(std::uint32_t x) {
    for (int i = 0; i < parts; ++i) {
#if defined(TENZO_AVX512)
      part[i] = _mm512_set1_epi32(int(x));
#elif defined(TENZO_AVX2)
      part[i] = _mm256_set1_epi32(int(x));
#else
      part[i] = x;
#endif
    }
  }
  TENZO_INLINE static Words load(const std::uint32_t* p) {
    Words r;
    for (int i = 0; i < parts; ++i) std::memcpy(&r.part[i], p + i * width, sizeof(WordRegister));
    return r;
  }
  TENZO_INLINE void store(std::uint32_t* p) const {
    for (int i = 0; i < parts; ++i) std::memcpy(p + i * width, &part[i], sizeof(WordRegister));
  }
};

// ---- one register ------------------------------------------------------------------------------------------------

#if defined(TENZO_AVX512)
TENZO_INLINE __m512i and_or(__m512i x, __m512i a, __m512i b) { return _mm512_ternarylogic_epi32(x, a, b, 0xea); }
TENZO_INLINE __m512i xor_and(__m512i x, __m512i a, __m512i b) { return _mm512_ternarylogic_epi32(x, a, b, 0x78); }
TENZO_INLINE __m512i plus(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
template <int n>
TENZO_INLINE __m512i shift_right(__m512i x) {
  return _mm512_srli_epi32(x, n);
}
TENZO_INLINE __m512i shift_left(__m512i x, __m512i n) { return _mm512_sllv_epi32(x, n); }
TENZO_INLINE __m512i where_less(__m512i a, __m512i b, __m512i x) {
  return _mm512_maskz_mov_epi32(_mm512_cmplt_epi32_mask(a, b), x);
}
TENZO_INLINE __m512 to_float(__m512i x) { return _mm512_cvtepi32_ps(x); }
TENZO_INLINE __m512 as_float(__m512i x) { return _mm512_castsi512_ps(x); }
TENZO_INLINE __m512i as_words(__m512 x) { return _mm512_castps_si512(x); }
TENZO_INLINE __m512 lookup(const float* table, __m512i i) {
  return _mm512_permutex2var_ps(_mm512_loadu_ps(table), i, _mm512_loadu_ps(table + 16));
}
#elif defined(TENZO_AVX2)
TENZO_INLINE __m256i and_or(__m256i x, __m256i a, __m256i b) { return _mm256_or_si256(_mm256_and_si256(x, a), b); }
TENZO_INLINE __m256i xor_and(__m256i x, __m256i a, __m256i b) { return _mm256_xor_si256(x, _mm256_and_si256(a, b)); }
TENZO_INLINE __m256i plus(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
template <int n>
TENZO_INLINE __m256i shift_right(__m256i x) {
  return _mm256_srli_epi32(x, n);
}
TENZO_INLINE __m256i shift_left(__m256i x, __m256i n) { return _mm256_sllv_epi32(x, n); }
TENZO_INLINE __m256i where_less(__m256i a, __m256i b, __m256i x) {
  return _mm256_and_si256(_mm256_cmpgt_epi32(b, a), x);
}
TENZO_INLINE __m256 to_float(__m256i x) { return _mm256_cvtepi32_ps(x); }
TENZO_INLINE __m256 as_float(__m256i x) { return _mm256_castsi256_ps(x); }
TENZO_INLINE __m256i as_words(__m256 x) { return _mm256_castps_si256(x); }
#else
TENZO_INLINE std::uint32_t and_or(std::uint32_t x, std::uint32_t a, std::uint32_t b) { return (x & a) | b; }
TENZO_INLINE std::uint32_t xor_and(std::uint32_t x, std::uint32_t a, std::uint32_t b) { return x ^ (a & b); }
TENZO_INLINE std::uint32_t plus(std::uint32_t a, std::uint32_t b) { return a + b; }
template <int n>
TENZO_INLINE std::uint32_t shift_right(std::uint32_t x) {
  return x >> n;
}
TENZO_INLINE std::uint32_t shift_left(std::uint32_t x, std::uint32_t n) { return x << n; }
TENZO_INLINE std::uint32_t where_less(std::uint32_t a, std::uint32_t b, std::uint32_t x) {
  return std::int32_t(a) < std::int32_t(b) ? x : 0u;
}
TENZO_INLINE float to_float(std::uint32_t x) { return float(std::int32_t(x)); }
TENZO_INLINE float as_float(std::uint32_t x) { return std::bit_cast<float>(x); }
TENZO_INLINE std::uint32_t as_words(float x) { return std::bit_cast<std::uint32_t>(x); }
TENZO_INLINE float lookup(const float* table, std::uint32_t i) { return table[i & 31u]; }
#endif

/// Shifts that bring bit i, and bit 16 + i, of a word to the top of lane i.
alignas(64) inline constexpr std::uint32_t bit_to_top[2][16] = {
    {31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16},
    {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
};

/// Sixteen halves as words. Of eight words they are taken in the order of their value, the low half first.
TENZO_INLINE Words halves(const std::uint16_t* p) {
  Words r;
#if defined(TENZO_AVX512)
  r.part[0] = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
#elif defined(TENZO_AVX2)
  for (int i = 0; i < 2; ++i) r.part[i] = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)(p + 8 * i)));
#else
  for (int i = 0; i < Words::size; ++i) r.part[i] = p[i];
#endif
  return r;
}
TENZO_INLINE Words halves(const std::uint32_t* p) {
  Words r;
#if defined(TENZO_AVX512) || defined(TENZO_AVX2)
  std::uint16_t in_order[16];  // the order of memory is the order of value here
  std::memcpy(in_order, p, sizeof in_order);
  r = halves(in_order);
#else
  for (int i = 0; i < Words::size; ++i) r.part[i] = p[i / 2] >> (16 * (i % 2)) & 0xffffu;
#endif
  return r;
}

/// The low halves of the words to 32 bytes.
TENZO_INLINE void store_halves(const Words& x, std::uint16_t* p) {
#if defined(TENZO_AVX512)
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16(x.part[0]));
#elif defined(TENZO_AVX2)
  const __m256i mixed = _mm256_packus_epi32(_mm256_and_si256(x.part[0], _mm256_set1_epi32(0xffff)),
                                            _mm256_and_si256(x.part[1], _mm256_set1_epi32(0xffff)));
  _mm256_storeu_si256((__m256i*)p, _mm256_permute4x64_epi64(mixed, 0xd8));
#else
  for (int i = 0; i < Words::size; ++i) p[i] = std::uint16_t(x.part[i]);
#endif
}

/// Lanes 0 … 7, and 8 … 15, as doubles.
TENZO_INLINE Simd<double> low_half(const Simd<float>& x) {
  Simd<double> r;
#if defined(TENZO_AVX512)
  r.part[0] = _mm512_cvtps_pd(_mm512_castps512_ps256(x.part[0]));
#elif defined(TENZO_AVX2)
  r.part[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(x.part[0]));
  r.part[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(x.part[0], 1));
#else
  for (int i = 0; i < 8; ++i) r.part[i] = x.part[i];
#endif
  return r;
}
TENZO_INLINE Simd<double> high_half(const Simd<float>& x) {
  Simd<double> r;
#if defined(TENZO_AVX512)
  r.part[0] = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.part[0], 1));
#elif defined(TENZO_AVX2)
  r.part[0] = _mm256_cvtps_pd(_mm256_castps256_ps128(x.part[1]));
  r.part[1] = _mm256_cvtps_pd(_mm256_extractf128_ps(x.part[1], 1));
#else
  for (int i = 0; i < 8; ++i) r.part[i] = x.part[8 + i];
#endif
  return r;
}

// ---- all sixteen -------------------------------------------------------------------------------------------------

template <class Lanes, class F>
TENZO_INLINE Lanes each_part(F&& f) {
  Lanes r;
  for (int i = 0; i < Lanes::parts; ++i) r.part[i] = f(i);
  return r;
}

/// (x & a) | b.
TENZO_INLINE Words and_or(const Words& x, const Words& a, const Words& b) {
  return each_part<Words>([&](int i) { return and_or(x.part[i], a.part[i], b.part[i]); });
}
/// x ^ (a & b).
TENZO_INLINE Words xor_and(const Words& x, const Words& a, const Words& b) {
  return each_part<Words>([&](int i) { return xor_and(x.part[i], a.part[i], b.part[i]); });
}
/// a + b modulo 2^32.
TENZO_INLINE Words plus(const Words& a, const Words& b) {
  return each_part<Words>([&](int i) { return plus(a.part[i], b.part[i]); });
}
template <int n>
TENZO_INLINE Words shift_right(const Words& x) {
  return each_part<Words>([&](int i) { return shift_right<n>(x.part[i]); });
}
/// x << n, 0 <= n < 32.
TENZO_INLINE Words shift_left(const Words& x, const Words& n) {
  return each_part<Words>([&](int i) { return shift_left(x.part[i], n.part[i]); });
}
/// x where a < b as signed numbers, else 0.
TENZO_INLINE Words where_less(const Words& a, const Words& b, const Words& x) {
  return each_part<Words>([&](int i) { return where_less(a.part[i], b.part[i], x.part[i]); });
}
/// The signed number to the nearest float.
TENZO_INLINE Simd<float> to_float(const Words& x) {
  return each_part<Simd<float>>([&](int i) { return to_float(x.part[i]); });
}
/// The same bits as a float, and back.
TENZO_INLINE Simd<float> as_float(const Words& x) {
  return each_part<Simd<float>>([&](int i) { return as_float(x.part[i]); });
}
TENZO_INLINE Words as_words(const Simd<float>& x) {
  return each_part<Words>([&](int i) { return as_words(x.part[i]); });
}
#if !defined(TENZO_AVX2)  // which would gather, one load a lane
/// table[i mod 32].
TENZO_INLINE Simd<float> lookup(const float* table, const Words& i) {
  return each_part<Simd<float>>([&](int j) { return lookup(table, i.part[j]); });
}
#endif

}  // namespace tenzo::detail

TENZO_INTRINSICS_END
