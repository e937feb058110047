// Sums down the columns of a matrix, for the gradients of weights and biases.
#pragma once

#include <algorithm>
#include <cstdint>

#include "loops.cuh"
#include "reduce.hpp"

namespace tenzo::cuda::detail {

/// The rows of a matrix are summed in pieces, a block each, and the pieces' sums after that: about 512 blocks in all,
/// by the sizes alone, so that the order of a sum does not depend on the GPU.
struct ColumnPieces {
  static constexpr int width = 32, height = 8;
  std::int64_t rows, columns, across, count, length;

  ColumnPieces(std::int64_t rows_, std::int64_t columns_, bool all_at_once = false)
      : rows(rows_), columns(columns_), across(ceil_div(columns_, width)) {
    constexpr std::int64_t wanted = 512, least = 64;
    const std::int64_t most = std::max<std::int64_t>(1, rows / least);
    length = ceil_div(rows, all_at_once ? 1 : std::clamp<std::int64_t>(wanted / across, 1, most));
    count = ceil_div(rows, length);
  }
  std::int64_t blocks() const { return across * count; }

  /// A thread's column, and the rows begin, begin + height, … < end of its block's piece.
  struct Place {
    std::int64_t column, piece, begin, end;
  };
  TENZO_DEVICE Place place(std::int64_t block, int thread) const {
    const std::int64_t piece = block / across, column = block % across * width + thread % width;
    const std::int64_t begin = piece * length, end = begin + length < rows ? begin + length : rows;
    return {column, piece, begin + thread / width, column < columns ? end : 0};
  }
};

/// v of the threads of a column joined, upper rows first.
template <class V>
TENZO_DEVICE V join_column(const V& v, int thread) {
  constexpr int width = ColumnPieces::width, height = ColumnPieces::height;
  TENZO_SHARED(V, scratch, [width * height]);
  scratch[thread] = v;
  __syncthreads();
  V all = scratch[thread % width];
  for (int row = 1; row < height; ++row) all = all.join(scratch[row * width + thread % width]);
  __syncthreads();
  return all;
}

/// part_w = Σ gy h and part_b = Σ gy over each piece of the rows, with h = (x − mean) rstd; a null one is left out.
///   Mapping  a block of 32 columns by 8 rows: a warp reads along a row; threads sum rows 8 apart, 16 bytes of each
///            array under way at once, and their sums are joined in shared memory. `Stat` knows mean and rstd.
///   Bound by memory: x and gy are read once.
template <class T, class Stat>
struct ColumnGradientKernel {
  static constexpr int max_threads = ColumnPieces::width * ColumnPieces::height, min_blocks = blocks_at_once<T>;
  ColumnPieces pieces;
  Stat stat;
  const T *x, *gy;
  T *part_w, *part_b;

  TENZO_DEVICE void operator()() const {
    constexpr int batch = 16 / sizeof(T);
    const int thread = thread_in_block();
    const auto at = pieces.place(blockIdx.x, thread);
    auto sums = TwoSums<T>::none();
    for (std::int64_t r = at.begin; r < at.end; r += batch * ColumnPieces::height) {
      T h[batch], g[batch];
      TENZO_UNROLL
      for (int b = 0; b < batch; ++b) {
        const std::int64_t row = r + b * ColumnPieces::height;
        const bool inside = row < at.end;
        g[b] = inside ? load(gy + row * pieces.columns + at.column) : T(0);
        h[b] = inside && part_w ? stat.normalized(load(x + row * pieces.columns + at.column), row, at.column) : T(0);
      }
      TENZO_UNROLL
      for (int b = 0; b < batch; ++b) sums.a += g[b] * h[b], sums.b += g[b];
    }
    sums = join_column(sums, thread);
    if (thread >= ColumnPieces::width || at.column >= pieces.columns) return;
    if (part_w) store(part_w + at.piece * pieces.columns + at.column, sums.a);
    if (part_b) store(part_b + at.piece * pieces.columns + at.column, sums.b);
  }
};

/// gw = Σ gy h and gb = Σ gy down the columns of (rows, columns). Either may be null.
template <class T, class Stat>
void column_gradients(std::int64_t rows, std::int64_t columns, const Stat& stat, const T* x, const T* gy, T* gw,
                      T* gb) {
  if (columns == 0 || (!gw && !gb)) return;
  if (rows == 0) {
    if (gw) fill(Device{}, columns, gw, T(0));
    if (gb) fill(Device{}, columns, gb, T(0));
    return;
  }
  using K = ColumnGradientKernel<T, Stat>;
  const ColumnPieces pieces(rows, columns);
  const std::int64_t parts = pieces.count > 1 ? pieces.count * columns : 0;
  const DeviceArray<T> w(gw ? parts : 0), b(gb ? parts : 0);
  launch(K{pieces, stat, x, gy, parts && gw ? w.data() : gw, parts && gb ? b.data() : gb}, pieces.blocks(),
         K::max_threads);
  if (parts && gw) sum_middle(Device{}, 1, pieces.count, columns, static_cast<const T*>(w.data()), gw);
  if (parts && gb) sum_middle(Device{}, 1, pieces.count, columns, static_cast<const T*>(b.data()), gb);
}

}  // namespace tenzo::cuda::detail
