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
TENZO_INLINE __m512i add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }
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
TENZO_INLINE __m256i add(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }
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
TENZO_INLINE __m256 lookup(const float* table, __m256i i) {
  return _mm256_i32gather_ps(table, _mm256_and_si256(i, _mm256_set1_epi32(31)), sizeof(float));
}
#else
TENZO_INLINE std::uint32_t and_or(std::uint32_t x, std::uint32_t a, std::uint32_t b) { return (x & a) | b; }
TENZO_INLINE std::uint32_t xor_and(std::uint32_t x, std::uint32_t a, std::uint32_t b) { return x ^ (a & b); }
TENZO_INLINE std::uint32_t add(std::uint32_t a, std::uint32_t b) { return a + b; }
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
TENZO_INLINE Words add(const Words& a, const Words& b) {
  return each_part<Words>([&](int i) { return add(a.part[i], b.part[i]); });
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
/// table[i mod 32].
TENZO_INLINE Simd<float> lookup(const float* table, const Words& i) {
  return each_part<Simd<float>>([&](int j) { return lookup(table, i.part[j]); });
}

}  // namespace tenzo::detail

TENZO_INTRINSICS_END
