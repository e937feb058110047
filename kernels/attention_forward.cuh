// Attention, forward, on a GPU: softmax over the keys by a running maximum and sum.
//   Source  Milakov, Gimelshein 2018 (online softmax); Dao et al. 2022, "FlashAttention".
#pragma once

#include "attention_tile.cuh"

namespace tenzo::cuda {

namespace detail {

/// The tile of the kernels that go through the keys for a run of rows.
template <class T, int head_dim>
using RowTile = AttentionTile<T, head_dim, 2>;

/// v of the parts of a row combined by op, which takes its arguments in any order.
template <class T, class Op>
TENZO_DEVICE T over_parts(T v, Op op, int parts) {
  TENZO_UNROLL
  for (int by = 1; by < parts; by *= 2) v = op(v, lane_xor(v, by));
  return v;
}

/// out = softmax(scale · q kᵀ + bias, over the keys seen) v and lse.
///   Mapping  a block a tile of 64 rows (32 in double) of one sequence and key head; it goes through the keys that some
///            row sees by tiles. Rows and keys are staged 32 numbers at a time, of which a thread makes 4 x 2 products
///            (2 x 2 in double); four or eight threads a row find its maximum by shuffles and turn the products into
///            probabilities, of which each keeps its part of the sum; then all threads meet them with staged rows of v.
///   Order    a score is one chain over d, an output one chain over the keys, in tiles that begin at multiples of their
///            length: a row's bits depend on itself and the keys that it sees alone.
///   Moves    q, out and lse once, k and v once a tile of rows; with the products each tile of keys reads q again, so
///            that shared memory stays small. All but the first time this comes from the chip's caches.
///   Bound by multiply-adds: 4 dim operations a score, 16 to 21 a byte from the second cache, and of the vectors read
///            from shared memory each meets 8 multiply-adds.
template <class Number, int head_dim>
struct AttentionForwardKernel {
  using T = Number;
  using Tile = RowTile<T, head_dim>;
  using Rows = AttentionRows<T, Tile::rows>;
  static constexpr int max_threads = Tile::threads, min_blocks = Tile::blocks;
  AttentionArguments<T> p;
  const T *q, *k, *v, *bias;
  T *out, *lse;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, stage, [Tile::stage_size]);
    TENZO_SHARED(T, products, [Tile::weights_size]);
    TENZO_SHARED(T, factors, [Tile::rows]);  // of the rows' sums
    TENZO_SHARED(Rows, rows);
    constexpr int R = Tile::of_rows, C = Tile::of_keys, N = Tile::of_columns, parts = Tile::parts;
    constexpr T low = -std::numeric_limits<T>::infinity();
    const WeightsByKey<Tile> weights{products};
    const int thread = thread_in_block(), y = thread / Tile::across;
    set_rows_of_block<Tile>(rows, p, thread);

    T sum[R][N] = {};
    T top = low, total = T(0);  // of row thread / parts; of the keys of this part
    for (int key = rows.begin / Tile::keys * Tile::keys; key < rows.stop; key += Tile::keys) {
      {
        T s[R][C] = {};
        multiply_rows<Tile>(s, rows.of(q, p.q, Tile::template staged_row<Tile::rows>(thread)),
                            rows.key(k, p.k, key + Tile::template staged_row<Tile::keys>(thread)), p.dim, p.wide, stage,
                            thread);
        weights.update(thread, [&](int r, int c, T) { return s[r][c]; });
      }
      __syncthreads();
      {
        const ScorePart<Tile> scores(p, rows, key, bias, thread);
        const T next = over_parts(scores.largest(weights, top), Larger{}, parts);
        const T anchor = next > low ? next : T(0);  // a row that has seen nothing yet has no maximum
        const T shrink = math::exp(top - anchor);
        if (scores.part == 0) factors[scores.row] = shrink;
        top = next;
        total *= shrink;
        scores.update(weights, [&](Pack<T, C> s) {
          TENZO_UNROLL
          for (int c = 0; c < C; ++c) {
            s[c] = math::exp(s[c] - anchor);
            total += s[c];
          }
          return s;
        });
      }
      __syncthreads();
      const auto shrink = *reinterpret_cast<const Pack<T, R>*>(factors + y * R);
      TENZO_UNROLL
      for (int r = 0; r < R; ++r) TENZO_UNROLL
      for (int i = 0; i < N; ++i) sum[r][i] *= shrink[r];
      const int n = rows.stop - key < Tile::keys ? rows.stop - key : Tile::keys;
      combine_rows<Tile>(
          sum, [&](int j) { return products + weights.place(y * R, j); }, n,
          [&](int j) { return rows.key(v, p.v, key + j); }, p.dim, p.wide, stage, thread);
    }

    total = over_parts(total, Add{}, parts);
    const bool blind = total == T(0);  // a query that sees no key gives zeros
    if (thread % parts == 0) {
      const int row = thread / parts;
      factors[row] = blind ? T(0) : T(1) / total;
      if (row < rows.count) store(rows.of(lse, p.lse, row), blind ? low : top + math::log(total));
    }
    __syncthreads();
    TENZO_UNROLL
    for (int r = 0; r < R; ++r) {
      const int row = y * R + r;
      const T scale = factors[row];
      TENZO_UNROLL
      for (int i = 0; i < N; ++i) sum[r][i] = scale == T(0) ? T(0) : sum[r][i] * scale;
      if (row < rows.count) store_columns<Tile>(rows.of(out, p.out, row), sum[r], p.dim, p.wide, thread);
    }
  }
};

}  // namespace detail

template <Real T>
void attention(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias, T* out, T* lse) {
  p.check(bias != nullptr);
  detail::with_head_dim(p.head_dim, [&](auto dim) {
    using Kernel = detail::AttentionForwardKernel<T, dim>;
    detail::AttentionPlan<T> plan(p, Kernel::Tile::rows, Kernel::Tile::keys);
    plan.arguments.wide = detail::wide_rows<T>(p.head_dim, {q, k, v, out}, {p.q, p.k, p.v, p.out});
    if (plan.row_blocks > 0)
      launch(Kernel{plan.arguments, q, k, v, bias, out, lse}, plan.row_blocks, Kernel::max_threads);
  });
}

}  // namespace tenzo::cuda
