// What a register of each instruction set can do, under the same names. Simd (simd.hpp) is made of these.
//
// Each function rounds as the scalar one that it is named for. max and min give b where a or b is NaN;
// greater(a, b, x, y) is x where a > b, else y; load_some reads the first n elements and gives zero beyond; store_some
// writes the first n.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/core/dtype.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define TENZO_AVX512 1
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define TENZO_AVX2 1
#include <immintrin.h>
#endif

#define TENZO_INLINE inline __attribute__((always_inline))

// g++ 12 takes the undefined pass-through operand of its own AVX-512 intrinsics for a mistake of their caller: code
// that uses them stands between these two.
#if defined(__GNUC__) && !defined(__clang__)
#define TENZO_INTRINSICS_BEGIN                                                         \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
      _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define TENZO_INTRINSICS_END _Pragma("GCC diagnostic pop")
#else
#define TENZO_INTRINSICS_BEGIN
#define TENZO_INTRINSICS_END
#endif

TENZO_INTRINSICS_BEGIN

namespace tenzo::detail {

template <class T>
struct RegisterOf {
  using type = T;
};

#if defined(TENZO_AVX512)

template <>
struct RegisterOf<float> {
  using type = __m512;
};
template <>
struct RegisterOf<double> {
  using type = __m512d;
};

TENZO_INLINE void set(__m512& r, float x) { r = _mm512_set1_ps(x); }
TENZO_INLINE void set(__m512d& r, double x) { r = _mm512_set1_pd(x); }
TENZO_INLINE __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }
TENZO_INLINE __m512d fma(__m512d a, __m512d b, __m512d c) { return _mm512_fmadd_pd(a, b, c); }
TENZO_INLINE __m512 max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
TENZO_INLINE __m512d max(__m512d a, __m512d b) { return _mm512_max_pd(a, b); }
TENZO_INLINE __m512 min(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
TENZO_INLINE __m512d min(__m512d a, __m512d b) { return _mm512_min_pd(a, b); }
TENZO_INLINE __m512 sqrt(__m512 a) { return _mm512_sqrt_ps(a); }
TENZO_INLINE __m512d sqrt(__m512d a) { return _mm512_sqrt_pd(a); }
TENZO_INLINE __m512 round(__m512 a) { return _mm512_roundscale_ps(a, 8); }
TENZO_INLINE __m512d round(__m512d a) { return _mm512_roundscale_pd(a, 8); }
TENZO_INLINE __m512 abs(__m512 a) { return _mm512_abs_ps(a); }
TENZO_INLINE __m512d abs(__m512d a) { return _mm512_abs_pd(a); }
TENZO_INLINE __m512 greater(__m512 a, __m512 b, __m512 x, __m512 y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
TENZO_INLINE __m512d greater(__m512d a, __m512d b, __m512d x, __m512d y) {
  return _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), y, x);
}
TENZO_INLINE __m512 pow2(__m512 n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
TENZO_INLINE __m512d pow2(__m512d n) {
  return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_add_epi64(_mm512_cvtpd_epi64(n), _mm512_set1_epi64(1023)), 52));
}
TENZO_INLINE void load_some(__m512& r, const float* p, std::int64_t n) {
  r = _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1u), p);
}
TENZO_INLINE void load_some(__m512d& r, const double* p, std::int64_t n) {
  r = _mm512_maskz_loadu_pd(__mmask8((1u << n) - 1u), p);
}
TENZO_INLINE void store_some(__m512 r, float* p, std::int64_t n) {
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1u), r);
}
TENZO_INLINE void store_some(__m512d r, double* p, std::int64_t n) {
  _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1u), r);
}
TENZO_INLINE void load_bits(__m512& r, const bfloat16* p) {
  r = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16));
}
TENZO_INLINE void load_bits(__m512& r, const half* p) { r = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }

#elif defined(TENZO_AVX2)

template <>
struct RegisterOf<float> {
  using type = __m256;
};
template <>
struct RegisterOf<double> {
  using type = __m256d;
};

alignas(32) inline constexpr std::int32_t mask32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) inline constexpr std::int64_t mask64[8] = {-1, -1, -1, -1};

TENZO_INLINE __m256i first32(std::int64_t n) { return _mm256_loadu_si256((const __m256i*)(mask32 + 8 - n)); }
TENZO_INLINE __m256i first64(std::int64_t n) { return _mm256_loadu_si256((const __m256i*)(mask64 + 4 - n)); }

TENZO_INLINE void set(__m256& r, float x) { r = _mm256_set1_ps(x); }
TENZO_INLINE void set(__m256d& r, double x) { r = _mm256_set1_pd(x); }
TENZO_INLINE __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }
TENZO_INLINE __m256d fma(__m256d a, __m256d b, __m256d c) { return _mm256_fmadd_pd(a, b, c); }
TENZO_INLINE __m256 max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
TENZO_INLINE __m256d max(__m256d a, __m256d b) { return _mm256_max_pd(a, b); }
TENZO_INLINE __m256 min(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
TENZO_INLINE __m256d min(__m256d a, __m256d b) { return _mm256_min_pd(a, b); }
TENZO_INLINE __m256 sqrt(__m256 a) { return _mm256_sqrt_ps(a); }
TENZO_INLINE __m256d sqrt(__m256d a) { return _mm256_sqrt_pd(a); }
TENZO_INLINE __m256 round(__m256 a) { return _mm256_round_ps(a, 8); }
TENZO_INLINE __m256d round(__m256d a) { return _mm256_round_pd(a, 8); }
TENZO_INLINE __m256 abs(__m256 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), a); }
TENZO_INLINE __m256d abs(__m256d a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.), a); }
TENZO_INLINE __m256 greater(__m256 a, __m256 b, __m256 x, __m256 y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
TENZO_INLINE __m256d greater(__m256d a, __m256d b, __m256d x, __m256d y) {
  return _mm256_blendv_pd(y, x, _mm256_cmp_pd(a, b, _CMP_GT_OQ));
}
TENZO_INLINE __m256 pow2(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
TENZO_INLINE __m256d pow2(__m256d n) {
  const __m256i whole = _mm256_cvtepi32_epi64(_mm256_cvtpd_epi32(n));
  return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_add_epi64(whole, _mm256_set1_epi64x(1023)), 52));
}
TENZO_INLINE void load_some(__m256& r, const float* p, std::int64_t n) { r = _mm256_maskload_ps(p, first32(n)); }
TENZO_INLINE void load_some(__m256d& r, const double* p, std::int64_t n) { r = _mm256_maskload_pd(p, first64(n)); }
TENZO_INLINE void store_some(__m256 r, float* p, std::int64_t n) { _mm256_maskstore_ps(p, first32(n), r); }
TENZO_INLINE void store_some(__m256d r, double* p, std::int64_t n) { _mm256_maskstore_pd(p, first64(n), r); }
TENZO_INLINE void load_bits(__m256& r, const bfloat16* p) {
  r = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
}
TENZO_INLINE void load_bits(__m256& r, const half* p) { r = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }

#endif

template <Real T>
TENZO_INLINE void set(T& r, T x) {
  r = x;
}
template <Real T>
TENZO_INLINE T fma(T a, T b, T c) {
  return std::fma(a, b, c);
}
template <Real T>
TENZO_INLINE T max(T a, T b) {
  return a > b ? a : b;
}
template <Real T>
TENZO_INLINE T min(T a, T b) {
  return a < b ? a : b;
}
template <Real T>
TENZO_INLINE T sqrt(T a) {
  return std::sqrt(a);
}
template <Real T>
TENZO_INLINE T round(T a) {
  return std::nearbyint(a);
}
template <Real T>
TENZO_INLINE T abs(T a) {
  return std::fabs(a);
}
template <Real T>
TENZO_INLINE T greater(T a, T b, T x, T y) {
  return a > b ? x : y;
}
template <Real T>
TENZO_INLINE T pow2(T n) {
  return std::ldexp(T(1), int(n));
}
template <Real T>
TENZO_INLINE void load_some(T& r, const T* p, std::int64_t n) {
  r = n > 0 ? *p : T(0);
}
template <Real T>
TENZO_INLINE void store_some(T r, T* p, std::int64_t n) {
  if (n > 0) *p = r;
}
template <class Stored>
TENZO_INLINE void load_bits(float& r, const Stored* p) {
  r = float(*p);
}

}  // namespace tenzo::detail

TENZO_INTRINSICS_END
