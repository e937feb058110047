// Kernels on tiles in shared memory, in a sound form and with faults.
#pragma once

#include <cstdint>

#include "device.hpp"

namespace tenzo::faults {

using namespace cuda;

enum class TileSeed {
  none,
  missing_barrier,  // the next tile is written while others still read this one
  no_guard,         // the last tile of a row is written as if it were whole
  past_the_end,     // of the shared array
  before_the_start,
};

/// c = a b, for a (m, k) and b (k, n), in square tiles.
template <class T, TileSeed S = TileSeed::none, int tile = 16>
struct TiledMatmul {
  const T *a, *b;
  T* c;
  int m, n, k;
  static constexpr int max_threads = tile * tile;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, left, [tile][tile]);
    TENZO_SHARED(T, right, [tile][tile]);
    const int x = int(threadIdx.x), y = int(threadIdx.y);
    const std::int64_t row = std::int64_t(blockIdx.y) * tile + y, column = std::int64_t(blockIdx.x) * tile + x;
    float sum = 0;
    for (int t = 0; t < k; t += tile) {
      left[y][x] = row < m && t + x < k ? load(a + row * k + t + x) : T(0.0f);  // fault: tile write
      right[y][x] = t + y < k && column < n ? load(b + (t + y) * std::int64_t(n) + column) : T(0.0f);
      __syncthreads();
      for (int i = 0; i < tile; ++i) sum += float(left[y][i]) * float(right[i][x]);  // fault: tile read
      if constexpr (S != TileSeed::missing_barrier) __syncthreads();
    }
    if constexpr (S == TileSeed::no_guard) c[row * n + column] = T(sum);  // fault: no guard
    else if (row < m && column < n) store(c + row * n + column, T(sum));
  }
};

/// y (n, m) = the transpose of x (m, n), in tiles of 32 x 32 by 32 x 8 threads.
template <class T, TileSeed S = TileSeed::none>
struct Transpose {
  const T* x;
  T* y;
  int m, n;
  static constexpr int tile = 32, rows = 8, max_threads = tile * rows;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, values, [tile][tile + 1]);
    const int tx = int(threadIdx.x), ty = int(threadIdx.y);
    const std::int64_t row = std::int64_t(blockIdx.y) * tile, column = std::int64_t(blockIdx.x) * tile;
    TENZO_UNROLL
    for (int j = ty; j < tile; j += rows)
      if (row + j < m && column + tx < n) values[j][tx] = load(x + (row + j) * n + column + tx);
    __syncthreads();
    T* const flat = &values[0][0];
    if constexpr (S == TileSeed::past_the_end) flat[tile * (tile + 1) + tx] = T(1.0f);  // fault: past the end
    if constexpr (S == TileSeed::before_the_start) flat[-1 - tx] = T(1.0f);             // fault: before the start
    TENZO_UNROLL
    for (int j = ty; j < tile; j += rows)
      if (column + j < n && row + tx < m) store(y + (column + j) * m + row + tx, values[tx][j]);
  }
};

}  // namespace tenzo::faults
