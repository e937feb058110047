// Loops over rows of numbers in whole vectors, with sums whose order is fixed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"

namespace tenzo::cpu {

/// Elements whose partial sums stay in lanes before they are joined in double.
inline constexpr std::int64_t sum_run_length = 2048;

/// p[0 … w) and zeros beyond; no mask where w is known to be the whole vector.
template <Real T>
TENZO_INLINE Simd<T> load_lanes(const T* p, std::int64_t w) {
  return w == Simd<T>::size ? Simd<T>::load(p) : Simd<T>::load(p, w);
}

/// p[0 … w) and `fill` beyond.
template <Real T>
TENZO_INLINE Simd<T> load_lanes(const T* p, std::int64_t w, T fill) {
  if (w == Simd<T>::size) return Simd<T>::load(p);
  T lane[Simd<T>::size];
  for (std::int64_t i = 0; i < Simd<T>::size; ++i) lane[i] = i < w ? p[i] : fill;
  return Simd<T>::load(lane);
}

template <Real T>
TENZO_INLINE void store_lanes(const Simd<T>& v, T* p, std::int64_t w) {
  if (w == Simd<T>::size) v.store(p);
  else v.store(p, w);
}

/// Calls f(i, w) for the vectors of [0, n): w is the whole vector but at the end.
template <Real T, class F>
TENZO_INLINE void for_lanes(std::int64_t n, F&& f) {
  std::int64_t i = 0;
  for (; i + Simd<T>::size <= n; i += Simd<T>::size) f(i, std::int64_t(Simd<T>::size));
  if (i < n) f(i, n - i);
}

/// Σ over [0, n) of what f(i, w) gives for its vector, zero in the lanes beyond w.
///   Order  a partial sum a lane in runs of 2048 elements, lanes joined by halves, runs joined in double.
template <Real T, class F>
TENZO_INLINE T sum_lanes(std::int64_t n, F&& f) {
  double total = 0;
  for (std::int64_t begin = 0; begin < n; begin += sum_run_length) {
    Simd<T> part(T(0));
    for_lanes<T>(std::min(sum_run_length, n - begin),
                 [&](std::int64_t i, std::int64_t w) { part = part + f(begin + i, w); });
    total += double(sum(part));
  }
  return T(total);
}

/// f(row) for each of `rows` rows of n elements, in parallel.
template <class F>
void for_rows(std::int64_t rows, std::int64_t n, F&& f) {
  constexpr std::int64_t work = 1 << 13;
  parallel_for(rows, work / std::max<std::int64_t>(1, n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) f(r);
  });
}

/// For each vector of columns of each matrix of (outer, n, inner), in parallel: f(offset, w) with the offset of its
/// first row's first element; the next row lies `inner` further.
template <Real T, class F>
void for_columns(std::int64_t outer, std::int64_t n, std::int64_t inner, F&& f) {
  const std::int64_t blocks = (inner + Simd<T>::size - 1) / Simd<T>::size;
  for_rows(outer * blocks, n * Simd<T>::size, [&](std::int64_t block) {
    const std::int64_t column = block % blocks * Simd<T>::size;
    f(block / blocks * n * inner + column, std::min<std::int64_t>(Simd<T>::size, inner - column));
  });
}

/// Σ over i < n of the vectors f(i), in runs of 64 rows.
template <Real T, class F>
TENZO_INLINE Simd<T> sum_columns(std::int64_t n, F&& f) {
  constexpr std::int64_t run = 64;
  Simd<T> total(T(0));
  for (std::int64_t begin = 0; begin < n; begin += run) {
    Simd<T> part(T(0));
    for (std::int64_t i = begin; i < std::min(n, begin + run); ++i) part = part + f(i);
    total = total + part;
  }
  return total;
}

}  // namespace tenzo::cpu
