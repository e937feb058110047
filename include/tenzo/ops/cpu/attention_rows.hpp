// The pieces of which attention is made: a block of query rows, in lanes, against a run of keys.
//
// Rows are the queries of all heads that share keys: row r is query r / group of head r % group. Scores stand
// transposed, (keys, rows), so that maxima and sums over keys run down the lanes and a row never meets another one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tenzo/core/detail/gemm_driver.hpp"
#include "tenzo/core/math.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/shapes/attention.hpp"

namespace tenzo::cpu {

/// Keys that are visited at once. Runs begin at multiples of it, whatever a row sees: so a row's bits depend on its own
/// keys alone, and a query decoded by itself gives what it gave among others.
inline constexpr std::int64_t key_run = 64;

/// c (m, columns) = a b, or c + a b: element (i, p) of a at a[i · a_row + p · a_col], b in whole vectors of columns.
template <Real T>
void small_product(std::int64_t m, std::int64_t columns, std::int64_t k, const T* a, std::int64_t a_row,
                   std::int64_t a_col, const T* b, std::int64_t b_row, T* c, std::int64_t c_row, bool accumulate) {
  namespace gemm = tenzo::detail;
  constexpr std::int64_t size = Simd<T>::size;
  const gemm::EvenCut panels((columns + size - 1) / size, gemm::tile_vectors), strips(m, gemm::tile_rows);
  for (std::int64_t n = 0, first = 0; n < panels.parts; ++n) {
    const std::int64_t vectors = panels.size(n);
    const gemm::TileTask<T> task{accumulate, nullptr, std::min(columns - first, vectors * size), b + first};
    for (std::int64_t s = 0, i = 0; s < strips.parts; ++s) {
      const std::int64_t rows = strips.size(s);
      gemm::tile_functions<T>[std::size_t((rows - 1) * gemm::tile_vectors + vectors - 1)](
          k, a + i * a_row, a_row, a_col, b + first, b_row, c + i * c_row + first, c_row, task);
      i += rows;
    }
    first += vectors * size;
  }
}

/// Up to `width` rows of one sequence and one key head, and what they see.
template <Real T>
struct RowBlock {
  static constexpr int vectors = 2, width = vectors * Simd<T>::size;

  const AttentionSpan* span;
  std::int64_t kv_head, rows;
  std::int64_t query[width], head[width];
  std::int64_t first[width], end[width];     // the keys that a row sees
  std::int64_t begin = 0, stop = 0;          // the keys that some row sees
  std::int64_t all_begin = 0, all_stop = 0;  // the keys that every row sees

  RowBlock(const AttentionProblem& p, const AttentionSpan& s, std::int64_t key_head, std::int64_t row)
      : span(&s), kv_head(key_head), rows(std::min<std::int64_t>(width, s.q_length * p.group() - row)) {
    begin = s.kv_length;
    all_stop = s.kv_length;
    std::int64_t i = row / p.group(), h = row % p.group();
    for (std::int64_t r = 0; r < width; ++r) {
      query[r] = i;
      head[r] = kv_head * p.group() + h;
      first[r] = p.first_key(s, i);
      end[r] = std::max(first[r], p.end_key(s, i));
      begin = std::min(begin, first[r]);
      stop = std::max(stop, end[r]);
      all_begin = std::max(all_begin, first[r]);
      all_stop = std::min(all_stop, end[r]);
      if (r + 1 < rows && ++h == p.group()) h = 0, ++i;  // lanes beyond the rows see what the last row sees
    }
    begin = std::min(begin, stop) / key_run * key_run;
  }

  std::int64_t token(std::int64_t r) const { return span->q_begin + query[r]; }
};

/// Offset of a head of a token.
inline std::int64_t offset_of(const HeadStrides& s, std::int64_t token, std::int64_t head) {
  return token * s.token + head * s.head;
}

/// rows (width, padded) and, transposed, lanes (padded, width) of the block's part of x; zeros where there is nothing.
///   padded is head_dim rounded up to whole vectors.
template <Real T>
void pack_rows(const RowBlock<T>& b, const T* x, const HeadStrides& strides, std::int64_t dim, std::int64_t padded,
               T* rows, T* lanes) {
  for (std::int64_t r = 0; r < RowBlock<T>::width; ++r) {
    T* to = rows + r * padded;
    const std::int64_t count = r < b.rows ? dim : 0;
    if (count) std::copy_n(x + offset_of(strides, b.token(r), b.head[r]), count, to);
    std::fill(to + count, to + padded, T(0));
  }
  for (int v = 0; v < RowBlock<T>::vectors; ++v)
    tenzo::detail::transpose_rows<T>(rows + v * Simd<T>::size * padded, padded, (dim + 3) / 4 * 4,
                                     lanes + v * Simd<T>::size, RowBlock<T>::width);
}

/// The rows [j, j + n) of keys or values as an operand in whole vectors: in place, or copied where rows are ragged.
template <Real T>
struct WholeRows {
  const T* data;
  std::int64_t step;

  WholeRows(const T* x, const HeadStrides& strides, std::int64_t token, std::int64_t head, std::int64_t n,
            std::int64_t dim, std::int64_t padded, T* memory)
      : data(x + offset_of(strides, token, head)), step(strides.token) {
    if (dim == padded) return;
    for (std::int64_t j = 0; j < n; ++j) {
      std::copy_n(data + j * step, dim, memory + j * padded);
      std::fill(memory + j * padded + dim, memory + (j + 1) * padded, T(0));
    }
    data = memory;
    step = padded;
  }
};

/// f(j, v, score) for the keys [first, first + n) and the vectors of rows: scale · products + bias, −∞ where not seen.
///   products  (n, width), of queries and keys
///   memory    2 · key_run · width numbers, for the bias
template <Real T, class F>
TENZO_INLINE void for_scores(const AttentionProblem& p, const RowBlock<T>& b, std::int64_t first, std::int64_t n,
                             const T* products, const T* bias, T* memory, F&& f) {
  using V = Simd<T>;
  constexpr int vectors = RowBlock<T>::vectors, width = RowBlock<T>::width;
  const V scale(T(p.scale));
  const bool all_seen = b.all_begin <= first && first + n <= b.all_stop;
  if (all_seen && !bias) {
    for (std::int64_t j = 0; j < n; ++j) TENZO_CPU_UNROLL
    for (int v = 0; v < vectors; ++v) f(j, v, V::load(products + j * width + v * V::size) * scale);
    return;
  }
  T* turned = memory;  // the bias of the block, (n, width)
  if (bias) {
    T* rows = memory + key_run * width;
    for (std::int64_t r = 0; r < width; ++r) {
      const T* from = bias + (b.head[r] * p.bias_q + b.query[r]) * p.bias_kv + first;
      std::copy_n(from, n, rows + r * key_run);
      std::fill(rows + r * key_run + n, rows + (r + 1) * key_run, T(0));
    }
    for (int v = 0; v < vectors; ++v)
      tenzo::detail::transpose_rows<T>(rows + v * V::size * key_run, key_run, (n + 3) / 4 * 4, turned + v * V::size,
                                       width);
  }
  V from[vectors], to[vectors];  // what the rows see, as [from, to) counted from `first`
  for (int v = 0; v < vectors; ++v) {
    T lane[2][V::size];
    for (int l = 0; l < V::size; ++l) {
      lane[0][l] = T(std::clamp<std::int64_t>(b.first[v * V::size + l] - first, 0, key_run));
      lane[1][l] = T(std::clamp<std::int64_t>(b.end[v * V::size + l] - first, 0, key_run));
    }
    from[v] = V::load(lane[0]);
    to[v] = V::load(lane[1]);
  }
  const V hidden(-std::numeric_limits<T>::infinity());
  for (std::int64_t j = 0; j < n; ++j) {
    const V at{T(j)};
    TENZO_CPU_UNROLL
    for (int v = 0; v < vectors; ++v) {
      V s = V::load(products + j * width + v * V::size) * scale;
      if (bias) s = s + V::load(turned + j * width + v * V::size);
      s = where_greater(to[v], at, s, hidden);
      f(j, v, where_greater(from[v], at, hidden, s));
    }
  }
}

}  // namespace tenzo::cpu
