// Attention, forward: softmax over the keys by a running maximum and sum, so that no scores outlive a run of keys.
//   Source  Milakov, Gimelshein 2018 (online softmax); Dao et al. 2022, "FlashAttention".
#pragma once

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/cpu/attention_rows.hpp"
#include "tenzo/ops/cpu/scratch.hpp"
#include "tenzo/ops/cpu/softmax.hpp"

namespace tenzo::cpu {

/// The blocks of rows of a problem, in order: sequence, key head, rows.
template <Real T>
struct RowBlocks {
  struct Place {
    std::int64_t sequence, kv_head, row;
  };
  std::vector<Place> places;
  double keys = 0;  // that a block sees, on average

  explicit RowBlocks(const AttentionProblem& p) {
    for (std::size_t s = 0; s < p.sequences.size(); ++s) {
      const AttentionSpan& span = p.sequences[s];
      for (std::int64_t h = 0; h < p.kv_heads; ++h)
        for (std::int64_t r = 0; r < span.q_length * p.group(); r += RowBlock<T>::width)
          places.push_back({std::int64_t(s), h, r});
      keys += double(span.kv_length) * double(span.q_length * p.group() * p.kv_heads) / RowBlock<T>::width;
    }
    if (!places.empty()) keys /= double(places.size());
  }

  /// Blocks of a parallel piece.
  std::int64_t grain(const AttentionProblem& p) const {
    return 1 + std::int64_t(1e5 / (keys * double(p.head_dim) * RowBlock<T>::width + 1));
  }
};

/// The memory in which a block is computed.
template <Real T>
struct ForwardMemory {
  static constexpr std::int64_t width = RowBlock<T>::width;
  std::int64_t padded;
  Scratch<T> all;
  T *rows, *lanes, *sums, *scores, *bias, *values;

  explicit ForwardMemory(std::int64_t dim)
      : padded((dim + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size),
        all(3 * width * padded + 3 * key_run * width + key_run * padded) {
    rows = all.data();
    lanes = rows + width * padded;
    sums = lanes + width * padded;
    scores = sums + width * padded;
    bias = scores + key_run * width;
    values = bias + 2 * key_run * width;
  }
};

/// The outputs of one block of rows.
template <Real T>
void attend(const AttentionProblem& p, const RowBlock<T>& b, const T* q, const T* k, const T* v, const T* bias, T* out,
            T* lse, ForwardMemory<T>& m) {
  using V = Simd<T>;
  constexpr int vectors = RowBlock<T>::vectors, width = RowBlock<T>::width;
  const std::int64_t dim = p.head_dim, padded = m.padded;
  const V low(-std::numeric_limits<T>::infinity()), zero(T(0));
  pack_rows(b, q, p.q, dim, padded, m.rows, m.lanes);
  V top[vectors], total[vectors];  // the largest score so far; Σ exp(score − it)
  for (int i = 0; i < vectors; ++i) top[i] = low, total[i] = zero;

  for (std::int64_t j = b.begin; j < b.stop; j += key_run) {
    const std::int64_t n = std::min(key_run, b.stop - j), token = b.span->kv_begin + j;
    small_product(n, width, dim, k + offset_of(p.k, token, b.kv_head), p.k.token, 1, m.lanes, width, m.scores, width,
                  false);

    V next[vectors], anchor[vectors], part[vectors];
    for (int i = 0; i < vectors; ++i) next[i] = top[i];
    for_scores(p, b, j, n, m.scores, bias, m.bias, [&](std::int64_t row, int i, const V& s) {
      next[i] = max(s, next[i]);
      s.store(m.scores + row * width + i * V::size);
    });
    T shrink[width];
    for (int i = 0; i < vectors; ++i) {
      anchor[i] = where_greater(next[i], low, next[i], zero);  // a row that has seen nothing yet has no maximum
      const V factor = math::exp(top[i] - anchor[i]);
      factor.store(shrink + i * V::size);
      total[i] = total[i] * factor;
      top[i] = next[i];
      part[i] = zero;
    }
    for (std::int64_t row = 0; row < n; ++row) TENZO_CPU_UNROLL
    for (int i = 0; i < vectors; ++i) {
      T* at = m.scores + row * width + i * V::size;
      const V e = math::exp(V::load(at) - anchor[i]);
      part[i] = part[i] + e;
      e.store(at);
    }
    for (int i = 0; i < vectors; ++i) total[i] = total[i] + part[i];

    const bool more = j > b.begin;
    if (more)
      for (std::int64_t r = 0; r < b.rows; ++r) {
        const V factor(shrink[r]);
        for (T* at = m.sums + r * padded; at != m.sums + (r + 1) * padded; at += V::size)
          (V::load(at) * factor).store(at);
      }
    const WholeRows<T> values(v, p.v, token, b.kv_head, n, dim, padded, m.values);
    small_product(b.rows, padded, n, m.scores, 1, width, values.data, values.step, m.sums, padded, more);
  }

  T maximum[width], sum[width];
  for (int i = 0; i < vectors; ++i) {
    top[i].store(maximum + i * V::size);
    total[i].store(sum + i * V::size);
  }
  for (std::int64_t r = 0; r < b.rows; ++r) {
    const bool blind = b.begin >= b.stop || sum[r] == T(0);  // a query that sees no key gives zeros
    T* to = out + offset_of(p.out, b.token(r), b.head[r]);
    const V scale(blind ? T(0) : T(1) / sum[r]);
    for_lanes<T>(dim, [&](std::int64_t d, std::int64_t w) {
      store_lanes(blind ? zero : V::load(m.sums + r * padded + d) * scale, to + d, w);
    });
    lse[offset_of(p.lse, b.token(r), b.head[r])] =
        blind ? -std::numeric_limits<T>::infinity() : maximum[r] + math::log(sum[r]);
  }
}

/// out = softmax(scale · q kᵀ + bias, over the keys seen) v, head by head, and lse = log Σ exp of the scores.
///   bias    (heads, bias_q, bias_kv), shared by the sequences, or null
///   Memory  some 50 kB a thread. A query that sees no key gives zeros, and lse −∞.
///   Bits    a query's result depends on itself and the keys that it sees alone; but a v that is no finite number makes
///   NaN
///           of the queries around it that do not see it, too.
///   Throws  ShapeError, ValueError where the problem is no sensible one.
template <Real T>
void attention(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias, T* out, T* lse) {
  p.check(bias != nullptr);
  const RowBlocks<T> blocks(p);
  parallel_for(std::int64_t(blocks.places.size()), blocks.grain(p), [&](std::int64_t begin, std::int64_t end) {
    ForwardMemory<T> memory(p.head_dim);
    for (std::int64_t i = begin; i < end; ++i) {
      const auto& at = blocks.places[std::size_t(i)];
      const RowBlock<T> b(p, p.sequences[std::size_t(at.sequence)], at.kv_head, at.row);
      attend(p, b, q, k, v, bias, out, lse, memory);
    }
  });
}

}  // namespace tenzo::cpu
