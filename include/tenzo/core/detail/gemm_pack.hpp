// Packing: the operand on the right, brought into panels of whole vectors in the order in which products read them.
//
// A panel holds `vectors` vectors of columns for a run of k: row p of the panel is the elements (p, j0 … j0 + width),
// width = vectors * Simd<T>::size. Columns that do not exist are zeros, so no read ever leaves the matrix.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo::detail {

/// Columns of the tiles in which rows are visited: one row of a tile is a few cache lines.
inline constexpr std::int64_t tile_columns = 64;

// ---- transposing inside lanes of 128 bits --------------------------------------------------------------------------
// gather_lanes takes 128 bits from each of the rows p, p + step, …, one row a lane. After that, a transposition of
// square blocks within the lanes leaves whole columns, in the order of the rows.

#if defined(TENZO_AVX512)
TENZO_INLINE __m512 gather_lanes(const float* p, std::int64_t step) {
  __m512 r = _mm512_castps128_ps512(_mm_loadu_ps(p));
  r = _mm512_insertf32x4(r, _mm_loadu_ps(p + step), 1);
  r = _mm512_insertf32x4(r, _mm_loadu_ps(p + 2 * step), 2);
  return _mm512_insertf32x4(r, _mm_loadu_ps(p + 3 * step), 3);
}
TENZO_INLINE __m512d gather_lanes(const double* p, std::int64_t step) {
  __m512d r = _mm512_castpd128_pd512(_mm_loadu_pd(p));
  r = _mm512_insertf64x2(r, _mm_loadu_pd(p + step), 1);
  r = _mm512_insertf64x2(r, _mm_loadu_pd(p + 2 * step), 2);
  return _mm512_insertf64x2(r, _mm_loadu_pd(p + 3 * step), 3);
}
TENZO_INLINE __m512 low_pairs(__m512 a, __m512 b) { return _mm512_unpacklo_ps(a, b); }
TENZO_INLINE __m512 high_pairs(__m512 a, __m512 b) { return _mm512_unpackhi_ps(a, b); }
TENZO_INLINE __m512 low_halves(__m512 a, __m512 b) { return _mm512_shuffle_ps(a, b, 0x44); }
TENZO_INLINE __m512 high_halves(__m512 a, __m512 b) { return _mm512_shuffle_ps(a, b, 0xee); }
TENZO_INLINE __m512d low_halves(__m512d a, __m512d b) { return _mm512_unpacklo_pd(a, b); }
TENZO_INLINE __m512d high_halves(__m512d a, __m512d b) { return _mm512_unpackhi_pd(a, b); }
#elif defined(TENZO_AVX2)
TENZO_INLINE __m256 gather_lanes(const float* p, std::int64_t step) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + step), 1);
}
TENZO_INLINE __m256d gather_lanes(const double* p, std::int64_t step) {
  return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(p + step), 1);
}
TENZO_INLINE __m256 low_pairs(__m256 a, __m256 b) { return _mm256_unpacklo_ps(a, b); }
TENZO_INLINE __m256 high_pairs(__m256 a, __m256 b) { return _mm256_unpackhi_ps(a, b); }
TENZO_INLINE __m256 low_halves(__m256 a, __m256 b) { return _mm256_shuffle_ps(a, b, 0x44); }
TENZO_INLINE __m256 high_halves(__m256 a, __m256 b) { return _mm256_shuffle_ps(a, b, 0xee); }
TENZO_INLINE __m256d low_halves(__m256d a, __m256d b) { return _mm256_unpacklo_pd(a, b); }
TENZO_INLINE __m256d high_halves(__m256d a, __m256d b) { return _mm256_unpackhi_pd(a, b); }
#endif

/// to[p * to_row + i] = from[i * from_row + p] for i < Simd<T>::size, p < k. k is a multiple of 4.
///   ahead   how far to ask for memory before it is read, where it comes from beyond the caches; 0: not at all
template <Real T>
void transpose_rows(const T* from, std::int64_t from_row, std::int64_t k, T* to, std::int64_t to_row,
                    [[maybe_unused]] std::int64_t ahead = 0) {
#if defined(TENZO_AVX512) || defined(TENZO_AVX2)
  constexpr int width = Simd<T>::width;
  for (int first = 0; first < Simd<T>::size; first += width) {
    const T* f = from + first * from_row;
    T* t = to + first;
    auto put = [&](std::int64_t p, auto r) { std::memcpy(t + p * to_row, &r, sizeof r); };
    if constexpr (sizeof(T) == 4) {
      for (std::int64_t p = 0; p < k; p += 4) {
        if (ahead && p % 16 == 0)
          for (int i = 0; i < width; ++i) prefetch(f + p + i * from_row, ahead);
        const auto a = gather_lanes(f + p, 4 * from_row), b = gather_lanes(f + p + from_row, 4 * from_row);
        const auto c = gather_lanes(f + p + 2 * from_row, 4 * from_row);
        const auto d = gather_lanes(f + p + 3 * from_row, 4 * from_row);
        const auto ab = low_pairs(a, b), cd = low_pairs(c, d), ef = high_pairs(a, b), gh = high_pairs(c, d);
        put(p, low_halves(ab, cd));
        put(p + 1, high_halves(ab, cd));
        put(p + 2, low_halves(ef, gh));
        put(p + 3, high_halves(ef, gh));
      }
    } else {
      for (std::int64_t p = 0; p < k; p += 2) {
        if (ahead && p % 8 == 0)
          for (int i = 0; i < width; ++i) prefetch(f + p + i * from_row, ahead);
        const auto a = gather_lanes(f + p, 2 * from_row), b = gather_lanes(f + p + from_row, 2 * from_row);
        put(p, low_halves(a, b));
        put(p + 1, high_halves(a, b));
      }
    }
  }
#else
  for (std::int64_t p = 0; p < k; ++p)
    for (int i = 0; i < Simd<T>::size; ++i) to[p * to_row + i] = from[i * from_row + p];
#endif
}

/// A few rows of a matrix in tiles of their own memory, zeros where the matrix ends.
template <Real T>
struct Tile {
  alignas(64) T at[Simd<T>::size * tile_columns];

  T* row(std::int64_t i) { return at + i * tile_columns; }

  /// Makes zeros of all that lies beyond `rows` x `columns`, up to whole rows and columns in fours.
  void pad(std::int64_t rows, std::int64_t columns) {
    const std::int64_t end = (columns + 3) / 4 * 4;
    for (std::int64_t i = 0; i < rows; ++i) std::fill(row(i) + columns, row(i) + end, T(0));
    for (std::int64_t i = rows; i < Simd<T>::size; ++i) std::fill(row(i), row(i) + end, T(0));
  }
};

/// Packs a matrix of which element (p, j) lies at data[p * row + j * col].
template <Real T>
struct StridedPanels {
  const T* data;
  std::int64_t row, col, ahead = 0;

  /// Panel of `columns` columns from j on, k values from p on.
  void pack(std::int64_t j, std::int64_t columns, std::int64_t vectors, std::int64_t p, std::int64_t k, T* to) const {
    const std::int64_t width = vectors * Simd<T>::size;
    const T* from = data + p * row + j * col;
    if (col == 1) copy(from, columns, vectors, k, to);
    else if (row == 1) transpose(from, columns, vectors, k, to);
    else
      for (std::int64_t q = 0; q < k; ++q)
        for (std::int64_t i = 0; i < width; ++i) to[q * width + i] = i < columns ? from[q * row + i * col] : T(0);
  }

 private:
  void copy(const T* from, std::int64_t columns, std::int64_t vectors, std::int64_t k, T* to) const {
    const std::int64_t width = vectors * Simd<T>::size, whole = columns / Simd<T>::size;
    for (std::int64_t q = 0; q < k; ++q, from += row, to += width) {
      for (std::int64_t v = 0; v < vectors; ++v) prefetch(from + v * Simd<T>::size, 8 * row);
      for (std::int64_t v = 0; v < whole; ++v) Simd<T>::load(from + v * Simd<T>::size).store(to + v * Simd<T>::size);
      if (whole < vectors)
        Simd<T>::load(from + whole * Simd<T>::size, columns - whole * Simd<T>::size).store(to + whole * Simd<T>::size);
    }
  }

  void transpose(const T* from, std::int64_t columns, std::int64_t vectors, std::int64_t k, T* to) const {
    const std::int64_t width = vectors * Simd<T>::size, fours = k / 4 * 4;
    Tile<T> tile;
    for (std::int64_t first = 0; first < width; first += Simd<T>::size) {
      const T* f = from + first * col;
      const std::int64_t rows = std::min<std::int64_t>(Simd<T>::size, columns - first);
      std::int64_t q = 0;
      if (rows == Simd<T>::size) {
        transpose_rows(f, col, fours, to + first, width, ahead);
        q = fours;
      }
      for (; q < k; q += tile_columns) {
        const std::int64_t some = std::min(tile_columns, k - q);
        for (std::int64_t i = 0; i < rows; ++i)
          std::memcpy(tile.row(i), f + i * col + q, std::size_t(some) * sizeof(T));
        tile.pad(rows, some);
        transpose_rows(tile.at, tile_columns, (some + 3) / 4 * 4, to + q * width + first, width);
      }
    }
  }
};

}  // namespace tenzo::detail

TENZO_INTRINSICS_END
