// The inner loop of every dense product: a tile of a few rows by a few vectors, held in registers.
//
// Each element of the tile is one chain of fused multiply-adds in the order of k. So its bits depend neither on the
// height and width of the tile nor on the vector's length, and a chain may be cut at any k and continued from memory.
#pragma once

#include <cstdint>

#include "tenzo/core/simd.hpp"

#if defined(__clang__)
#define TENZO_CPU_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TENZO_CPU_UNROLL _Pragma("GCC unroll 16")
#endif

namespace tenzo::detail {

/// The largest tile: the accumulators, one row of b and one broadcast fill the register file.
#if defined(TENZO_AVX512)
inline constexpr int tile_rows = 8, tile_vectors = 3;
#elif defined(TENZO_AVX2)
inline constexpr int tile_rows = 6, tile_vectors = 1;
#else
inline constexpr int tile_rows = 2, tile_vectors = 1;
#endif

/// Columns of the widest panel of T.
template <Real T>
inline constexpr std::int64_t panel_width = std::int64_t(tile_vectors) * Simd<T>::size;

/// Asks for the memory `ahead` elements after p, which need not exist. To be brought near: 3, or half way: 2.
template <int near = 3, class T>
TENZO_INLINE void prefetch(const T* p, std::int64_t ahead) {
  __builtin_prefetch(
      reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + std::uintptr_t(ahead) * sizeof(T)), 0, near);
}

/// What a tile starts from and how it ends.
template <Real T>
struct TileTask {
  bool from_c;           // continue the chains that are in c, else start from zero
  const T* bias;         // added to each column after the last k; or null
  std::int64_t columns;  // columns of c to read and write
  const T* next;         // where the rows of the next tile begin: asked for while this one is computed
};

/// Before a statement in i and v: for all rows and vectors of a tile, as straight code.
#define TENZO_TILE_LOOP                           \
  TENZO_CPU_UNROLL                                \
  for (int i = 0; i < Rows; ++i) TENZO_CPU_UNROLL \
  for (int v = 0; v < Vectors; ++v)

/// c[i, j] = (c[i, j] or 0) + sum over p < k of a[i, p] b[p, j], then + bias[j].
///   a      element (i, p) at a[i * a_row + p * a_col], i < Rows
///   b      row p at b + p * b_row, Vectors whole vectors of it are read
///   c      element (i, j) at c[i * c_row + j], j < task.columns <= Vectors * Simd<T>::size
template <Real T, int Rows, int Vectors>
void tile_product(std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_col, const T* b, std::int64_t b_row,
                  T* c, std::int64_t c_row, const TileTask<T>& task) {
  using V = Simd<T>;
  V sum[Rows][Vectors];
  const auto at = [&](int i, int v) { return c + i * c_row + v * V::size; };
  const auto left = [&](int v) { return task.columns - v * V::size; };
  const bool whole = task.columns == Vectors * V::size;

  if (!task.from_c) {
    TENZO_TILE_LOOP sum[i][v] = V(T(0));
  } else if (whole) {
    TENZO_TILE_LOOP sum[i][v] = V::load(at(i, v));
  } else {
    TENZO_TILE_LOOP sum[i][v] = V::load(at(i, v), left(v));
  }

  for (std::int64_t p = 0; p < k; ++p, a += a_col, b += b_row) {
    prefetch<2>(task.next, p * tile_rows);
    V row[Vectors];
    TENZO_CPU_UNROLL
    for (int v = 0; v < Vectors; ++v) row[v] = V::load(b + v * V::size);
    TENZO_CPU_UNROLL
    for (int i = 0; i < Rows; ++i) {
      const V x(a[i * a_row]);
      TENZO_CPU_UNROLL
      for (int v = 0; v < Vectors; ++v) sum[i][v] = fmadd(x, row[v], sum[i][v]);
    }
  }

  if (task.bias) {
    TENZO_TILE_LOOP sum[i][v] = sum[i][v] + V::load(task.bias + v * V::size, left(v));
  }
  if (whole) {
    TENZO_TILE_LOOP sum[i][v].store(at(i, v));
  } else {
    TENZO_TILE_LOOP sum[i][v].store(at(i, v), left(v));
  }
}

#undef TENZO_TILE_LOOP

}  // namespace tenzo::detail
