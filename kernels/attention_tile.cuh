// The pieces of which attention is made on a GPU: a block's tile of query rows against tiles of keys.
//
// Rows are the queries of all heads that share keys: row r is query r / group of head r % group. A block of threads is
// `across` by 16; a thread computes products of `of_rows` rows and `of_keys` keys from operands that are staged in
// shared memory, a run of numbers or of rows at a time. The products go to a tile of weights in shared memory; there
// some threads a row make scores and probabilities of them, and all threads meet them as factors of whole rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <type_traits>
#include <vector>

#include "reduce.hpp"
#include "tenzo/cuda/attention.hpp"

namespace tenzo::cuda::detail {

/// A sequence as kernels see it: its tokens, and where it begins among the queries and the blocks of all sequences.
struct AttentionSequence {
  std::int64_t q_begin, kv_begin, first_query;
  std::int32_t q_length, kv_length, first_row_block, first_key_block;
};

/// The sequences of a problem: few lie in the kernel's arguments, many in memory of the device.
struct AttentionSequences {
  static constexpr int most_inside = 64;
  int count = 0;
  const AttentionSequence* outside = nullptr;
  AttentionSequence inside[most_inside] = {};

  TENZO_DEVICE AttentionSequence at(int s) const {
    if (!outside) return inside[s];
    const AttentionSequence* const p = outside + s;
    return {load(&p->q_begin),   load(&p->kv_begin),        load(&p->first_query),    load(&p->q_length),
            load(&p->kv_length), load(&p->first_row_block), load(&p->first_key_block)};
  }
  /// The sequence of a block: the last that begins at it or before.
  template <std::int32_t AttentionSequence::*first>
  TENZO_DEVICE AttentionSequence of_block(int block) const {
    int low = 0, high = count;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      const int begin = outside ? load(&(outside[middle].*first)) : inside[middle].*first;
      (begin <= block ? low : high) = middle;
    }
    return at(low);
  }
};

/// What all kernels of a problem are given.
template <class T>
struct AttentionArguments {
  AttentionSequences sequences;
  HeadStrides q, k, v, out, lse;
  std::int64_t bias_q, bias_kv;
  int heads, kv_heads, group, dim, window;
  bool causal, wide;  // wide: every row begins at a multiple of 16 bytes and has whole vectors
  T scale;
};

/// How a block is cut.
///   Threads    16 rows of them, `across` a row. A thread has the products of rows of_rows · y + i and keys
///              of_keys · x + i, and of an output row the columns at `column`. For scores a row has `parts` threads.
///   Shared     `stage_size` + `weights_size` numbers, 17 to 34 kB
template <class Number, int head_dim, int keys_of_thread>
struct AttentionTile {
  using T = Number;
  static constexpr int vector = 16 / int(sizeof(T));
  static constexpr int across = head_dim > 128 ? 32 : 16, down = 16, threads = across * down;
  static constexpr int of_rows = vector, of_keys = keys_of_thread, of_columns = head_dim / across;
  static constexpr int rows = down * of_rows, keys = across * of_keys, columns = head_dim;
  static constexpr int parts = threads / rows;
  // Operands of products lie transposed, (numbers, rows): rows 4 longer than they are keep the transposition free of
  // bank conflicts, since 4 · (rows + 4) words are half way round the banks.
  static constexpr int run = 32, stage_rows = rows + 4, stage_keys = keys + 4;
  static constexpr int stage_size = run * (stage_rows + stage_keys);
  /// Rows of an operand that are staged whole.
  static constexpr int whole_rows = columns * 64 <= stage_size   ? 64
                                    : columns * 32 <= stage_size ? 32
                                    : columns * 16 <= stage_size ? 16
                                                                 : 8;
  static constexpr int weights_size = rows * keys;
  /// Blocks on a multiprocessor at once. Sums of 128 columns want 80 registers a thread and more; so do doubles.
  static constexpr int blocks = (sizeof(T) == 8 ? 512 : head_dim <= 64 ? 1024 : head_dim <= 128 ? 768 : 512) / threads;
  static_assert(columns * whole_rows <= stage_size && threads % (2 * rows) == 0 && threads % (2 * keys) == 0);

  /// Of an operand of `count` rows, the row that a thread stages: two neighbours read 32 bytes of it.
  template <int count>
  TENZO_HOST_DEVICE static constexpr int staged_row(int thread) {
    return thread / 2 % 16 + thread / 32 % (count / 16) * 16;
  }

  /// Columns come in vectors, the same vector of all threads of a row side by side.
  static constexpr int column_vector = of_columns < vector ? of_columns : vector;
  TENZO_HOST_DEVICE static constexpr int column(int x, int i) {
    return (i / column_vector * across + x) * column_vector + i % column_vector;
  }
};

/// Weights as (keys, rows), for sums over keys.
///   Neighbouring threads write other keys, of_keys apart, and the parts of two groups of rows read other keys again:
///   the groups of rows are exchanged by key so that both go to different banks.
template <class Tile>
struct WeightsByKey {
  using T = typename Tile::T;
  T* data;

  TENZO_HOST_DEVICE static constexpr int place(int row, int key) {
    const int k = key / Tile::of_keys, turned = (2 * k & 7) | (k >> 2 & 1);
    return key * Tile::rows + ((row / Tile::of_rows ^ turned) * Tile::of_rows) + row % Tile::of_rows;
  }
  TENZO_DEVICE Pack<T, Tile::of_keys> keys(int row, int key) const {
    Pack<T, Tile::of_keys> v;
    const T* const from = data + place(row, key);
    TENZO_UNROLL
    for (int c = 0; c < Tile::of_keys; ++c) v[c] = from[c * Tile::rows];
    return v;
  }
  TENZO_DEVICE void set_keys(int row, int key, const Pack<T, Tile::of_keys>& v) const {
    T* const to = data + place(row, key);
    TENZO_UNROLL
    for (int c = 0; c < Tile::of_keys; ++c) to[c * Tile::rows] = v[c];
  }
  /// f(r, c, weight) gives what the thread's weights become.
  template <class F>
  TENZO_DEVICE void update(int thread, F&& f) const {
    const int row = thread / Tile::across * Tile::of_rows, key = thread % Tile::across * Tile::of_keys;
    TENZO_UNROLL
    for (int c = 0; c < Tile::of_keys; ++c) {
      auto& v = *reinterpret_cast<Pack<T, Tile::of_rows>*>(data + place(row, key) + c * Tile::rows);
      Pack<T, Tile::of_rows> w = v;
      TENZO_UNROLL
      for (int r = 0; r < Tile::of_rows; ++r) w[r] = f(r, c, w[r]);
      v = w;
    }
  }
};

/// Weights as (rows, keys), for sums over rows. Groups of keys are exchanged by row, for the same reason.
template <class Tile>
struct WeightsByRow {
  using T = typename Tile::T;
  static constexpr int group = Tile::keys / Tile::down, step = Tile::parts * Tile::of_keys / group;
  T* data;

  TENZO_HOST_DEVICE static constexpr int place(int row, int key) {
    return row * Tile::keys + ((key / group ^ row * step % Tile::down) * group) + key % group;
  }
  TENZO_DEVICE Pack<T, Tile::of_keys>& keys(int row, int key) const {
    return *reinterpret_cast<Pack<T, Tile::of_keys>*>(data + place(row, key));
  }
  TENZO_DEVICE void set_keys(int row, int key, const Pack<T, Tile::of_keys>& v) const { keys(row, key) = v; }
  template <class F>
  TENZO_DEVICE void update(int thread, F&& f) const {
    const int row = thread / Tile::across * Tile::of_rows, key = thread % Tile::across * Tile::of_keys;
    TENZO_UNROLL
    for (int r = 0; r < Tile::of_rows; ++r) {
      Pack<T, Tile::of_keys> w = keys(row + r, key);
      TENZO_UNROLL
      for (int c = 0; c < Tile::of_keys; ++c) w[c] = f(r, c, w[c]);
      keys(row + r, key) = w;
    }
  }
};

/// Rows of one sequence and one key head, and what they see. It lies in shared memory, written by one thread: in
/// registers it would cost half the threads of a multiprocessor.
template <class T, int most>
struct AttentionRows {
  AttentionSequence s;
  int kv_head, first_head, group, first, count;
  int begin, stop, all_begin, all_stop;  // the keys that some row sees; that every row sees

  TENZO_DEVICE void set(const AttentionArguments<T>& p, const AttentionSequence& sequence, int key_head, int head,
                        int heads, int row) {
    s = sequence, kv_head = key_head, first_head = head, group = heads, first = row;
    const int left = s.q_length * group - row;
    count = left < most ? left : most;  // above 0
    const int a = query(0), b = query(count - 1);
    begin = first_key(p, a), all_begin = first_key(p, b);
    stop = end_key(p, b), all_stop = end_key(p, a);
  }

  /// Rows beyond the last are taken for it.
  TENZO_DEVICE int row(int r) const { return first + (r < count ? r : count - 1); }
  TENZO_DEVICE int query(int r) const { return row(r) / group; }
  TENZO_DEVICE int head(int r) const { return first_head + row(r) % group; }
  TENZO_DEVICE const T* of(const T* x, const HeadStrides& strides, int r) const {
    return x + (s.q_begin + query(r)) * strides.token + head(r) * strides.head;
  }
  TENZO_DEVICE T* of(T* x, const HeadStrides& strides, int r) const {
    return x + (s.q_begin + query(r)) * strides.token + head(r) * strides.head;
  }
  TENZO_DEVICE const T* key(const T* x, const HeadStrides& strides, int j) const {
    return x + (s.kv_begin + (j < s.kv_length ? j : s.kv_length - 1)) * strides.token + kv_head * strides.head;
  }

  TENZO_DEVICE int first_key(const AttentionArguments<T>& p, int i) const {
    const int at = i + s.kv_length - s.q_length - p.window + 1;
    return p.window == 0 || at < 0 ? 0 : at < s.kv_length ? at : s.kv_length;
  }
  TENZO_DEVICE int end_key(const AttentionArguments<T>& p, int i) const {
    const int at = i + s.kv_length - s.q_length + 1;
    return !p.causal || at > s.kv_length ? s.kv_length : at > 0 ? at : 0;
  }
};

/// The rows of the running block: of its sequence and key head a tile, long ones first where they are causal.
///   Ends with a barrier.
template <class Tile, class T = typename Tile::T>
TENZO_DEVICE void set_rows_of_block(AttentionRows<T, Tile::rows>& rows, const AttentionArguments<T>& p, int thread) {
  if (thread == 0) {
    const int block = int(blockIdx.x);
    const AttentionSequence s = p.sequences.template of_block<&AttentionSequence::first_row_block>(block);
    const int tiles = (s.q_length * p.group + Tile::rows - 1) / Tile::rows, at = block - s.first_row_block;
    const int kv_head = at / tiles, tile = tiles - 1 - at % tiles;
    rows.set(p, s, kv_head, kv_head * p.group, p.group, tile * Tile::rows);
  }
  __syncthreads();
}

/// from[0 … N), zeros from n on.
template <int N, class T>
TENZO_DEVICE Pack<T, N> load_some(const T* from, int n, bool wide) {
  Pack<T, N> v{};
  if (wide && n >= N) {
    v = load<N>(from);
  } else {
    TENZO_UNROLL
    for (int i = 0; i < N; ++i)
      if (i < n) v[i] = load(from + i);
  }
  return v;
}

/// to[i · step] = from[i] for i in [0, N), zeros from n on.
template <int N, class T>
TENZO_DEVICE void stage_some(T* to, int step, const T* from, int n, bool wide) {
  const auto v = load_some<N>(from, n, wide);
  TENZO_UNROLL
  for (int i = 0; i < N; ++i) to[i * step] = v[i];
}

/// Stages numbers [d, d + run) of `count` rows transposed, zeros beyond `dim`; `row` is the thread's own.
template <class Tile, int count>
TENZO_DEVICE void stage_transposed(typename Tile::T* to, const typename Tile::T* row, int d, int dim, bool wide,
                                   int thread) {
  constexpr int vector = Tile::vector, groups = count / 16, units = count * Tile::run / vector;
  constexpr int step = Tile::threads / 32 / groups * 2 * vector;  // between the numbers that a thread stages
  const int at = (thread % 2 + thread / 32 / groups * 2) * vector;
  to += at * (count + 4) + Tile::template staged_row<count>(thread);
  row += d + at;
  if (units >= Tile::threads || thread < units) TENZO_UNROLL
  for (int i = 0; i < Tile::run && i * Tile::threads < units * step; i += step)
    stage_some<vector>(to + i * (count + 4), count + 4, row + i, dim - d - at - i, wide);
}

/// s[r][c] += Σ_d a(row r, d) · b(key c, d), in the order of d. a and b: the rows that this thread stages.
///   Begins with a barrier. Nobody may write the stage before another one.
template <class Tile, class T = typename Tile::T>
TENZO_DEVICE void multiply_rows(T (&s)[Tile::of_rows][Tile::of_keys], const T* a, const T* b, int dim, bool wide,
                                T* stage, int thread) {
  T* const stage_b = stage + Tile::run * Tile::stage_rows;
  const T* const from_a = stage + thread / Tile::across * Tile::of_rows;
  const T* const from_b = stage_b + thread % Tile::across * Tile::of_keys;
  for (int d = 0; d < dim; d += Tile::run) {
    __syncthreads();
    stage_transposed<Tile, Tile::rows>(stage, a, d, dim, wide, thread);
    stage_transposed<Tile, Tile::keys>(stage_b, b, d, dim, wide, thread);
    __syncthreads();
    const int n = dim - d < Tile::run ? dim - d : Tile::run;
    TENZO_NO_UNROLL
    for (int i = 0; i < n; i += 4) {
      TENZO_UNROLL
      for (int j = i; j < i + 4; ++j) {
        const auto x = *reinterpret_cast<const Pack<T, Tile::of_rows>*>(from_a + j * Tile::stage_rows);
        const auto y = *reinterpret_cast<const Pack<T, Tile::of_keys>*>(from_b + j * Tile::stage_keys);
        TENZO_UNROLL
        for (int r = 0; r < Tile::of_rows; ++r) TENZO_UNROLL
        for (int c = 0; c < Tile::of_keys; ++c) s[r][c] = std::fma(x[r], y[c], s[r][c]);
      }
    }
  }
}

/// sum[r][c] += Σ_j w(j, r) · x(j, column c) over j in [0, count), in their order.
///   weights(j)   where the thread's `of_sums` weights for j begin in shared memory
///   row(j)       where row j of x begins
///   Begins with a barrier: the weights may just have been written. Nobody may write them or the stage before another.
template <class Tile, int of_sums, class Weights, class Row, class T = typename Tile::T>
TENZO_DEVICE void combine_rows(T (&sum)[of_sums][Tile::of_columns], Weights&& weights, int count, Row&& row, int dim,
                               bool wide, T* stage, int thread) {
  constexpr int vector = Tile::vector, in_row = Tile::columns / vector, part = Tile::column_vector;
  const int d = thread % in_row * vector;
  for (int first = 0; first < count; first += Tile::whole_rows) {
    __syncthreads();
    TENZO_UNROLL
    for (int j = thread / in_row; j < Tile::whole_rows; j += Tile::threads / in_row)
      if (first + j < count)
        *reinterpret_cast<Pack<T, vector>*>(stage + j * Tile::columns + d) =
            load_some<vector>(row(first + j) + d, dim - d, wide);
    __syncthreads();
    const int n = count - first < Tile::whole_rows ? count - first : Tile::whole_rows;
    const T* x = stage + Tile::column(thread % Tile::across, 0);
    for (int j = 0; j < n; ++j, x += Tile::columns) {
      const auto w = *reinterpret_cast<const Pack<T, of_sums>*>(weights(first + j));
      TENZO_UNROLL
      for (int g = 0; g < Tile::of_columns / part; ++g) {
        const auto v = *reinterpret_cast<const Pack<T, part>*>(x + g * part * Tile::across);
        TENZO_UNROLL
        for (int r = 0; r < of_sums; ++r) TENZO_UNROLL
        for (int i = 0; i < part; ++i) sum[r][g * part + i] = std::fma(w[r], v[i], sum[r][g * part + i]);
      }
    }
  }
}

/// A thread's part of a row of scores: scale · product + bias, −∞ where the row does not see the key.
template <class Tile>
struct ScorePart {
  using T = typename Tile::T;
  int row, part, from, to;  // the keys of the tile that the row sees
  const T* bias;
  T scale;

  TENZO_DEVICE ScorePart(const AttentionArguments<T>& p, const AttentionRows<T, Tile::rows>& rows, int key, const T* b,
                         int thread)
      : row(thread / Tile::parts), part(thread % Tile::parts), bias(nullptr), scale(p.scale) {
    const int query = rows.query(row);
    from = rows.first_key(p, query) - key;
    to = rows.end_key(p, query) - key;
    if (b) bias = b + (rows.head(row) * p.bias_q + query) * p.bias_kv + key;
  }

  /// f(scores) gives what the weights become, of one pack of keys after another.
  template <class Weights, class F>
  TENZO_DEVICE void update(const Weights& weights, F&& f) const {
    TENZO_NO_UNROLL
    for (int key = part * Tile::of_keys; key < Tile::keys; key += Tile::parts * Tile::of_keys)
      weights.set_keys(row, key, f(scores(weights, key)));
  }
  template <class Weights>
  TENZO_DEVICE T largest(const Weights& weights, T start) const {
    TENZO_NO_UNROLL
    for (int key = part * Tile::of_keys; key < Tile::keys; key += Tile::parts * Tile::of_keys) {
      const auto s = scores(weights, key);
      TENZO_UNROLL
      for (int c = 0; c < Tile::of_keys; ++c) start = s[c] > start ? s[c] : start;
    }
    return start;
  }

 private:
  template <class Weights>
  TENZO_DEVICE Pack<T, Tile::of_keys> scores(const Weights& weights, int key) const {
    Pack<T, Tile::of_keys> s = weights.keys(row, key);
    TENZO_UNROLL
    for (int c = 0; c < Tile::of_keys; ++c) {
      s[c] *= scale;
      if (from > key + c || key + c >= to) s[c] = -std::numeric_limits<T>::infinity();
      else if (bias) s[c] += load(bias + key + c);
    }
    return s;
  }
};

/// to[columns of the thread] = x, of a row of `dim` numbers.
template <class Tile, class T = typename Tile::T>
TENZO_DEVICE void store_columns(T* to, const T (&x)[Tile::of_columns], int dim, bool wide, int thread) {
  constexpr int part = Tile::column_vector;
  TENZO_UNROLL
  for (int g = 0; g < Tile::of_columns; g += part) {
    const int d = Tile::column(thread % Tile::across, g);
    if (wide && d + part <= dim) {
      Pack<T, part> v;
      TENZO_UNROLL
      for (int i = 0; i < part; ++i) v[i] = x[g + i];
      if constexpr (Tile::columns <= 64) store_at_once<part>(to + d, v);
      else store<part>(to + d, v);  // left whole there, and a register less
    } else {
      TENZO_UNROLL
      for (int i = 0; i < part; ++i)
        if (d + i < dim) store(to + d + i, x[g + i]);
    }
  }
}

// ── on the host ──────────────────────────────────────────────────────────────────────────────────────────────────────

/// What a problem comes to: arguments, numbers of blocks, and the memory that the arguments point to, which is to live
/// until the last kernel has been launched.
template <class T>
struct AttentionPlan {
  AttentionArguments<T> arguments = {};
  std::int64_t row_blocks = 0, key_blocks = 0, queries = 0;
  DeviceArray<AttentionSequence> memory{0};

  /// `rows` and `keys`: of a block.
  AttentionPlan(const AttentionProblem& p, int rows, int keys) {
    constexpr std::int64_t most = std::int64_t(1) << 30;
    expect(p.head_dim <= 256, "attention: a head of ", p.head_dim, " numbers; at most 256 on a GPU");
    std::vector<AttentionSequence> all;
    for (const AttentionSpan& s : p.sequences) {
      expect(s.q_length * p.group() < most && s.kv_length < most && row_blocks < most && key_blocks < most,
             "attention: sequences too long for a GPU");
      all.push_back({s.q_begin, s.kv_begin, queries, std::int32_t(s.q_length), std::int32_t(s.kv_length),
                     std::int32_t(row_blocks), std::int32_t(key_blocks)});
      row_blocks += p.kv_heads * ceil_div(s.q_length * p.group(), rows);
      key_blocks += p.kv_heads * ceil_div(s.kv_length, keys);
      queries += s.q_length;
    }
    AttentionArguments<T>& a = arguments;
    a.q = p.q, a.k = p.k, a.v = p.v, a.out = p.out, a.lse = p.lse;
    a.bias_q = p.bias_q, a.bias_kv = p.bias_kv;
    a.heads = int(p.heads), a.kv_heads = int(p.kv_heads), a.group = int(p.group()), a.dim = int(p.head_dim);
    a.window = int(std::min(p.window, most)), a.causal = p.causal, a.scale = T(p.scale);
    a.sequences.count = int(all.size());
    if (all.size() <= AttentionSequences::most_inside) {
      std::copy(all.begin(), all.end(), a.sequences.inside);
    } else {
      memory = DeviceArray<AttentionSequence>(std::span<const AttentionSequence>(all));
      a.sequences.outside = memory.data();
    }
  }
};

/// Whether all rows of heads begin at multiples of 16 bytes and consist of whole vectors.
template <class T>
bool wide_rows(std::int64_t dim, std::initializer_list<const T*> x, std::initializer_list<HeadStrides> strides) {
  constexpr int vector = 16 / int(sizeof(T));
  return dim % vector == 0 && std::all_of(x.begin(), x.end(), [](const T* p) { return is_aligned<vector>(p); }) &&
         std::all_of(strides.begin(), strides.end(),
                     [](const HeadStrides& s) { return s.token % vector == 0 && s.head % vector == 0; });
}

/// Calls f with the least head_dim that kernels are made for, as a constant.
template <class F>
void with_head_dim(std::int64_t dim, F&& f) {
  if (dim <= 32) f(std::integral_constant<int, 32>());
  else if (dim <= 64) f(std::integral_constant<int, 64>());
  else if (dim <= 128) f(std::integral_constant<int, 128>());
  else f(std::integral_constant<int, 256>());
}

}  // namespace tenzo::cuda::detail
