// Attention, backward, on a GPU: the probabilities of a tile are made again from the kept log-sum, used and forgotten.
//
//   With P = exp(score − lse) and D = Σ g_out · out − g_lse of a row:
//     dS = P (g_out vᵀ − D),   gv = Pᵀ g_out,   gk = scale dSᵀ q,   gq = scale dS k,   g_bias = Σ dS
//
// Nobody adds to what another block writes: one kernel goes through the keys of a tile of rows for gq, one through the
// rows of a tile of keys for gk and gv, one through the sequences for g_bias. Each makes P and dS again, which costs 8
// products of matrices instead of 5, and keeps every sum in a fixed order.
//   Source  Dao et al. 2022, "FlashAttention", appendix B.2.
#pragma once

#include "attention_forward.cuh"

namespace tenzo::cuda {

namespace detail {

/// The tile of the kernel that goes through the rows for a run of keys: it has two sums in registers.
template <class T, int head_dim>
using KeyTile = AttentionTile<T, head_dim, ((sizeof(T) == 8 && head_dim > 64) || head_dim > 128 ? 1 : 2)>;

/// What the kernels are given, and what they write.
template <class T>
struct AttentionGradients {
  const T *q, *k, *v, *bias, *out, *lse, *g_out, *g_lse;
  T *gq, *gk, *gv, *g_bias;
  Pack<T, 2>* row_numbers;  // (queries, heads): lse, or 0 where it is infinite, and D
};

/// Where the numbers of a row lie.
template <class T, int most>
TENZO_DEVICE std::int64_t row_number(const AttentionArguments<T>& p, const AttentionRows<T, most>& rows, int r) {
  return (rows.s.first_query + rows.query(r)) * p.heads + rows.head(r);
}

/// row_numbers.
///   Mapping  a warp a row of out and g_out, sums by shuffles; blocks as the tiles of rows.
///   Bound by memory: out and g_out once.
template <class Number>
struct AttentionRowNumbersKernel {
  using T = Number;
  using Tile = RowTile<T, 64>;
  using Rows = AttentionRows<T, Tile::rows>;
  static constexpr int max_threads = Tile::threads;
  AttentionArguments<T> p;
  AttentionGradients<T> g;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(Rows, rows);
    const int thread = thread_in_block(), lane = thread % warp_threads;
    set_rows_of_block<Tile>(rows, p, thread);
    for (int row = thread / warp_threads; row < rows.count; row += max_threads / warp_threads) {
      const T *const y = rows.of(g.out, p.out, row), *const gy = rows.of(g.g_out, p.out, row);
      T sum = T(0);
      for (int d = lane * Tile::vector; d < p.dim; d += warp_threads * Tile::vector) {
        const auto a = load_some<Tile::vector>(y + d, p.dim - d, p.wide);
        const auto b = load_some<Tile::vector>(gy + d, p.dim - d, p.wide);
        TENZO_UNROLL
        for (int i = 0; i < Tile::vector; ++i) sum = std::fma(a[i], b[i], sum);
      }
      sum = warp_sum(sum, lane);
      if (lane > 0) continue;
      const T* const lse = rows.of(g.lse, p.lse, row);
      const T log_sum = load(lse);
      if (g.g_lse) sum -= load(g.g_lse + (lse - g.lse));
      store(g.row_numbers + row_number(p, rows, row), Pack<T, 2>{{MaxAndSum<T>::anchor(log_sum), sum}});
    }
  }
};

/// The weights of a tile become P. Begins and ends with no barrier: the weights are written, and are then to be waited
/// for. `shifts` gets the D of the rows.
template <class Tile, class Weights, class T = typename Tile::T>
TENZO_DEVICE void make_probabilities(const Weights& weights, const AttentionArguments<T>& p,
                                     const AttentionGradients<T>& g, const AttentionRows<T, Tile::rows>& rows, int key,
                                     T* shifts, int thread) {
  const ScorePart<Tile> scores(p, rows, key, g.bias, thread);
  const Pack<T, 2> numbers = load(g.row_numbers + row_number(p, rows, scores.row));
  if (scores.part == 0) shifts[scores.row] = numbers[1];
  scores.update(weights, [&](Pack<T, Tile::of_keys> s) {
    TENZO_UNROLL
    for (int c = 0; c < Tile::of_keys; ++c) s[c] = math::exp(s[c] - numbers[0]);
    return s;
  });
}

/// s = a bᵀ of the rows and a tile of keys.
template <class Tile, class T = typename Tile::T>
TENZO_DEVICE void products_of(T (&s)[Tile::of_rows][Tile::of_keys], const AttentionArguments<T>& p,
                              const AttentionRows<T, Tile::rows>& rows, const T* a, const HeadStrides& of_a, const T* b,
                              const HeadStrides& of_b, int key, T* stage, int thread) {
  multiply_rows<Tile>(s, rows.of(a, of_a, Tile::template staged_row<Tile::rows>(thread)),
                      rows.key(b, of_b, key + Tile::template staged_row<Tile::keys>(thread)), p.dim, p.wide, stage,
                      thread);
}

/// gq.
///   Mapping  as the forward kernel's: a block a tile of rows, through tiles of keys; two products a tile (scores, and
///            g_out with v), and dS meets rows of k.
///   Moves    q, g_out, gq, k and v; per tile of keys 2 rows x 2 + 2 keys · dim numbers from the caches.
///   Bound by multiply-adds: 6 dim operations a score.
template <class Number, int head_dim>
struct AttentionQueryGradientKernel {
  using T = Number;
  using Tile = RowTile<T, head_dim>;
  using Rows = AttentionRows<T, Tile::rows>;
  static constexpr int max_threads = Tile::threads, min_blocks = Tile::blocks;
  AttentionArguments<T> p;
  AttentionGradients<T> g;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, stage, [Tile::stage_size]);
    TENZO_SHARED(T, tile, [Tile::weights_size]);
    TENZO_SHARED(T, shifts, [Tile::rows]);
    TENZO_SHARED(Rows, rows);
    constexpr int R = Tile::of_rows, C = Tile::of_keys;
    const WeightsByKey<Tile> weights{tile};
    const int thread = thread_in_block(), y = thread / Tile::across;
    set_rows_of_block<Tile>(rows, p, thread);

    T sum[R][Tile::of_columns] = {};
    for (int key = rows.begin / Tile::keys * Tile::keys; key < rows.stop; key += Tile::keys) {
      {
        T s[R][C] = {};
        products_of<Tile>(s, p, rows, g.q, p.q, g.k, p.k, key, stage, thread);
        weights.update(thread, [&](int r, int c, T) { return s[r][c]; });
      }
      __syncthreads();
      make_probabilities<Tile>(weights, p, g, rows, key, shifts, thread);
      {
        T s[R][C] = {};
        products_of<Tile>(s, p, rows, g.g_out, p.out, g.v, p.v, key, stage, thread);
        weights.update(thread, [&](int r, int c, T w) { return w * (s[r][c] - shifts[y * R + r]) * p.scale; });
      }
      const int n = rows.stop - key < Tile::keys ? rows.stop - key : Tile::keys;
      combine_rows<Tile>(
          sum, [&](int j) { return tile + weights.place(y * R, j); }, n,
          [&](int j) { return rows.key(g.k, p.k, key + j); }, p.dim, p.wide, stage, thread);
    }
    TENZO_UNROLL
    for (int r = 0; r < R; ++r)
      if (y * R + r < rows.count) store_columns<Tile>(rows.of(g.gq, p.q, y * R + r), sum[r], p.dim, p.wide, thread);
  }
};

/// Keys of one sequence and key head, and the rows that see some of them. In shared memory, as the rows.
struct AttentionKeys {
  AttentionSequence s;
  int kv_head, begin, end, first_row, end_row;

  template <int most, class T>
  TENZO_DEVICE void set(const AttentionArguments<T>& p, int block) {
    s = p.sequences.template of_block<&AttentionSequence::first_key_block>(block);
    const int tiles = (s.kv_length + most - 1) / most, at = block - s.first_key_block;
    kv_head = at / tiles;
    begin = at % tiles * most;
    end = begin + most < s.kv_length ? begin + most : s.kv_length;
    // Query i stands at i − shift.
    const int shift = s.q_length - s.kv_length, first = begin + shift, last = end + shift + p.window - 1;
    first_row = p.causal && first > 0 ? first * p.group : 0;
    end_row = (p.window > 0 && last < s.q_length ? last : s.q_length) * p.group;
  }
};

/// gk and gv.
///   Mapping  a block a tile of keys (32 or 16) of one sequence and key head, through tiles of the rows that see some
///            of them, those of all heads of the group: P, which meets rows of g_out, then dS, which meets rows of q.
///   Moves    k, v, gk and gv once; per tile of rows 4 rows · dim + 2 keys · dim numbers from the caches.
///   Bound by multiply-adds: 8 dim operations a score.
template <class Number, int head_dim>
struct AttentionKeyGradientKernel {
  using T = Number;
  using Tile = KeyTile<T, head_dim>;
  using Rows = AttentionRows<T, Tile::rows>;
  static constexpr int max_threads = Tile::threads, min_blocks = Tile::blocks;
  AttentionArguments<T> p;
  AttentionGradients<T> g;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, stage, [Tile::stage_size]);
    TENZO_SHARED(T, tile, [Tile::weights_size]);
    TENZO_SHARED(T, shifts, [Tile::rows]);
    TENZO_SHARED(Rows, rows);
    TENZO_SHARED(AttentionKeys, keys);
    constexpr int R = Tile::of_rows, C = Tile::of_keys, K = Tile::keys / Tile::down;
    const WeightsByRow<Tile> weights{tile};
    const int thread = thread_in_block(), y = thread / Tile::across;

    if (thread == 0) keys.template set<Tile::keys>(p, int(blockIdx.x));
    __syncthreads();

    T sum_k[K][Tile::of_columns] = {}, sum_v[K][Tile::of_columns] = {};
    for (int row = keys.first_row / Tile::rows * Tile::rows; row < keys.end_row; row += Tile::rows) {
      __syncthreads();
      if (thread == 0) rows.set(p, keys.s, keys.kv_head, keys.kv_head * p.group, p.group, row);
      __syncthreads();
      {
        T x[R][C] = {};
        products_of<Tile>(x, p, rows, g.q, p.q, g.k, p.k, keys.begin, stage, thread);
        weights.update(thread, [&](int r, int c, T) { return x[r][c]; });
      }
      __syncthreads();
      make_probabilities<Tile>(weights, p, g, rows, keys.begin, shifts, thread);
      combine_rows<Tile>(
          sum_v, [&](int j) { return tile + weights.place(j, y * K); }, rows.count,
          [&](int j) { return rows.of(g.g_out, p.out, j); }, p.dim, p.wide, stage, thread);
      {
        T x[R][C] = {};
        products_of<Tile>(x, p, rows, g.g_out, p.out, g.v, p.v, keys.begin, stage, thread);
        weights.update(thread, [&](int r, int c, T w) { return w * (x[r][c] - shifts[y * R + r]) * p.scale; });
      }
      combine_rows<Tile>(
          sum_k, [&](int j) { return tile + weights.place(j, y * K); }, rows.count,
          [&](int j) { return rows.of(g.q, p.q, j); }, p.dim, p.wide, stage, thread);
    }
    TENZO_UNROLL
    for (int r = 0; r < K; ++r) {
      const int j = keys.begin + y * K + r;
      if (j >= keys.end) continue;
      const std::int64_t token = keys.s.kv_begin + j;
      store_columns<Tile>(g.gk + token * p.k.token + keys.kv_head * p.k.head, sum_k[r], p.dim, p.wide, thread);
      store_columns<Tile>(g.gv + token * p.v.token + keys.kv_head * p.v.head, sum_v[r], p.dim, p.wide, thread);
    }
  }
};

/// g_bias (heads, bias_q, bias_kv).
///   Mapping  a block a tile of queries and keys of one head, through the sequences in order; a thread sums its own dS.
///   Bound by multiply-adds: 4 dim operations a score; each is written once. The tile's columns are of no use here, so
///   one kernel does for all dims.
template <class Number>
struct AttentionBiasGradientKernel {
  using T = Number;
  using Tile = RowTile<T, 64>;
  using Rows = AttentionRows<T, Tile::rows>;
  static constexpr int max_threads = Tile::threads, min_blocks = Tile::blocks;
  AttentionArguments<T> p;
  AttentionGradients<T> g;
  int query_tiles, key_tiles;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, stage, [Tile::stage_size]);
    TENZO_SHARED(T, tile, [Tile::weights_size]);
    TENZO_SHARED(T, shifts, [Tile::rows]);
    TENZO_SHARED(Rows, rows);
    constexpr int R = Tile::of_rows, C = Tile::of_keys;
    const WeightsByKey<Tile> weights{tile};
    const int thread = thread_in_block(), y = thread / Tile::across, x = thread % Tile::across;
    const int block = int(blockIdx.x), key = block % key_tiles * Tile::keys;

    T sum[R][C] = {};
    for (int i = 0; i < p.sequences.count; ++i) {
      __syncthreads();
      if (thread == 0) {
        const AttentionSequence s = p.sequences.at(i);
        const int query = block / key_tiles % query_tiles * Tile::rows, head = block / key_tiles / query_tiles;
        if (query < s.q_length) rows.set(p, s, head / p.group, head, 1, query);
        else rows.begin = rows.stop = 0;
      }
      __syncthreads();
      if (key >= rows.stop || key + Tile::keys <= rows.begin) continue;  // so do all threads of the block
      {
        T product[R][C] = {};
        products_of<Tile>(product, p, rows, g.q, p.q, g.k, p.k, key, stage, thread);
        weights.update(thread, [&](int r, int c, T) { return product[r][c]; });
      }
      __syncthreads();
      make_probabilities<Tile>(weights, p, g, rows, key, shifts, thread);
      T product[R][C] = {};
      products_of<Tile>(product, p, rows, g.g_out, p.out, g.v, p.v, key, stage, thread);
      weights.update(thread, [&](int r, int c, T w) {
        if (y * R + r < rows.count) sum[r][c] += w * (product[r][c] - shifts[y * R + r]);
        return w;
      });
    }
    const std::int64_t head = block / key_tiles / query_tiles;
    const int query = block / key_tiles % query_tiles * Tile::rows;
    TENZO_UNROLL
    for (int r = 0; r < R; ++r) TENZO_UNROLL
    for (int c = 0; c < C; ++c) {
      const int i = query + y * R + r, j = key + x * C + c;
      if (i < p.bias_q && j < p.bias_kv) store(g.g_bias + (head * p.bias_q + i) * p.bias_kv + j, sum[r][c]);
    }
  }
};

}  // namespace detail

template <Real T>
void attention_backward(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias,
                        const T* out, const T* lse, const T* g_out, T* gq, T* gk, T* gv, T* g_bias, const T* g_lse) {
  p.check(bias != nullptr || g_bias != nullptr, true);
  detail::with_head_dim(p.head_dim, [&](auto dim) {
    using Rows = detail::RowTile<T, dim>;
    using Keys = detail::KeyTile<T, dim>;
    detail::AttentionPlan<T> plan(p, Rows::rows, Keys::keys);
    detail::AttentionArguments<T>& a = plan.arguments;
    a.wide = detail::wide_rows<T>(p.head_dim, {q, k, v, out, g_out, gq, gk, gv}, {p.q, p.k, p.v, p.out});
    const DeviceArray<Pack<T, 2>> numbers(plan.queries * p.heads);
    const detail::AttentionGradients<T> g{q, k, v, bias, out, lse, g_out, g_lse, gq, gk, gv, g_bias, numbers.data()};
    if (plan.row_blocks > 0) {
      launch(detail::AttentionRowNumbersKernel<T>{a, g}, plan.row_blocks, detail::RowTile<T, 64>::threads);
      launch(detail::AttentionQueryGradientKernel<T, dim>{a, g}, plan.row_blocks, Rows::threads);
    }
    if (plan.key_blocks > 0) launch(detail::AttentionKeyGradientKernel<T, dim>{a, g}, plan.key_blocks, Keys::threads);
    using Bias = detail::AttentionBiasGradientKernel<T>;
    const std::int64_t query_tiles = ceil_div(p.bias_q, Bias::Tile::rows),
                       key_tiles = ceil_div(p.bias_kv, Bias::Tile::keys);
    if (g_bias && query_tiles * key_tiles > 0)
      launch(Bias{a, g, int(query_tiles), int(key_tiles)}, p.heads * query_tiles * key_tiles, Bias::max_threads);
  });
}

}  // namespace tenzo::cuda
