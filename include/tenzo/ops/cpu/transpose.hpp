// Between the two orders of a layer's numbers: [channel][pixel] in memory, one vector of channels a pixel in registers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"

// As in simd.hpp: g++ 12 takes the undefined operand of its own intrinsics for a mistake of their caller.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace tenzo::detail {

#if defined(TENZO_AVX512)

/// Rows and columns of each 4 by 4 block of the lanes exchanged; its own inverse.
TENZO_INLINE void exchange4(__m512 (&r)[4]) {
  const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(r[0], r[1])),
                b = _mm512_castps_pd(_mm512_unpackhi_ps(r[0], r[1]));
  const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(r[2], r[3])),
                d = _mm512_castps_pd(_mm512_unpackhi_ps(r[2], r[3]));
  r[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c)), r[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
  r[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d)), r[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
}

TENZO_INLINE void load_whole(const float* from, std::int64_t plane, Simd<float> (&v)[4]) {
  __m512 r[4];
  TENZO_CPU_UNROLL
  for (int j = 0; j < 4; ++j) {
    const float* p = from + j * plane;
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(p));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 4 * plane), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(p + 8 * plane), 2);
    r[j] = _mm512_insertf32x4(x, _mm_loadu_ps(p + 12 * plane), 3);
  }
  exchange4(r);
  TENZO_CPU_UNROLL
  for (int j = 0; j < 4; ++j) v[j].part[0] = r[j];
}

#elif defined(TENZO_AVX2)

TENZO_INLINE void exchange4(__m256 (&r)[4]) {
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(r[0], r[1])),
                b = _mm256_castps_pd(_mm256_unpackhi_ps(r[0], r[1]));
  const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(r[2], r[3])),
                d = _mm256_castps_pd(_mm256_unpackhi_ps(r[2], r[3]));
  r[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c)), r[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
  r[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d)), r[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
}

TENZO_INLINE void load_whole(const float* from, std::int64_t plane, Simd<float> (&v)[4]) {
  TENZO_CPU_UNROLL
  for (int h = 0; h < 2; ++h) {
    __m256 r[4];
    TENZO_CPU_UNROLL
    for (int j = 0; j < 4; ++j) {
      const float* p = from + (8 * h + j) * plane;
      r[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * plane), 1);
    }
    exchange4(r);
    TENZO_CPU_UNROLL
    for (int j = 0; j < 4; ++j) v[j].part[h] = r[j];
  }
}

#endif

/// Every second lane of the two vectors a, b.
template <Real T>
TENZO_INLINE Simd<T> take_second(const Simd<T>& a, const Simd<T>& b) {
  T lane[2 * Simd<T>::size], r[Simd<T>::size];
  a.store(lane), b.store(lane + Simd<T>::size);
  for (int i = 0; i < Simd<T>::size; ++i) r[i] = lane[2 * i];
  return Simd<T>::load(r);
}

#if defined(TENZO_AVX512)
TENZO_INLINE Simd<float> take_second(const Simd<float>& a, const Simd<float>& b) {
  Simd<float> r;
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  r.part[0] = _mm512_permutex2var_ps(a.part[0], even, b.part[0]);
  return r;
}
#endif

template <Real T>
TENZO_INLINE void load_whole(const T* from, std::int64_t plane, Simd<T> (&v)[4]) {
  T lane[4][Simd<T>::size];
  for (int o = 0; o < Simd<T>::size; ++o)
    for (int j = 0; j < 4; ++j) lane[j][o] = from[o * plane + j];
  for (int j = 0; j < 4; ++j) v[j] = Simd<T>::load(lane[j]);
}

}  // namespace tenzo::detail

namespace tenzo::cpu {

/// to[i] = from[2 i] while 2 i < n, zero from there to i < count; writes up to a vector more.
template <Real T>
TENZO_INLINE void take_every_second(const T* from, std::int64_t n, std::int64_t count, T* to) {
  using V = Simd<T>;
  constexpr std::int64_t lanes = V::size;
  for (std::int64_t i = 0; i < count; i += lanes, from += 2 * lanes, n -= 2 * lanes) {
    if (n >= 2 * lanes) {
      detail::take_second(V::load(from), V::load(from + lanes)).store(to + i);
    } else {
      const std::int64_t a = std::clamp<std::int64_t>(n, 0, lanes), b = std::clamp<std::int64_t>(n - lanes, 0, lanes);
      detail::take_second(V::load(from, a), V::load(from + (b ? lanes : 0), b)).store(to + i);
    }
  }
}

/// to[i to_step + o] = from[o from_step + i] for i < n and o < m.
template <Real T>
void copy_transposed(std::int64_t n, std::int64_t m, const T* from, std::int64_t from_step, T* to,
                     std::int64_t to_step) {
  using V = Simd<T>;
  std::int64_t o = 0;
  for (; o + V::size <= m; o += V::size) {
    std::int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
      V v[4];
      tenzo::detail::load_whole(from + o * from_step + i, from_step, v);
      for (int j = 0; j < 4; ++j) v[j].store(to + (i + j) * to_step + o);
    }
    for (; i < n; ++i)
      for (std::int64_t k = o; k < o + V::size; ++k) to[i * to_step + k] = from[k * from_step + i];
  }
  if (o == m) return;
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    T block[V::size][4] = {};
    for (std::int64_t k = o; k < m; ++k) std::copy_n(from + k * from_step + i, 4, block[k - o]);
    V v[4];
    tenzo::detail::load_whole(block[0], 4, v);
    for (int j = 0; j < 4; ++j) v[j].store(to + (i + j) * to_step + o, m - o);
  }
  for (; i < n; ++i)
    for (std::int64_t k = o; k < m; ++k) to[i * to_step + k] = from[k * from_step + i];
}

}  // namespace tenzo::cpu

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
