// Attention, backward: the probabilities of a run of keys are made again from the kept log-sum, used and forgotten.
//   Source  Dao et al. 2022, "FlashAttention", section 3.1 and appendix B.2.
#pragma once

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/attention_forward.hpp"

namespace tenzo::cpu {

/// The inputs of the backward pass, and its results.
template <Real T>
struct AttentionGradient {
  const T *q, *k, *v, *bias, *out, *lse, *g_out, *g_lse;
  T *gq, *gk, *gv, *g_bias;
};

/// The memory in which a block's gradients are computed.
template <Real T>
struct BackwardMemory {
  static constexpr std::int64_t width = RowBlock<T>::width;
  std::int64_t padded;
  Scratch<T> all;
  T *q_rows, *q_lanes, *g_rows, *g_lanes, *gq, *p, *ds, *bias, *keys;

  explicit BackwardMemory(std::int64_t dim)
      : padded((dim + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size),
        all(5 * width * padded + 4 * key_run * width + key_run * padded) {
    T* at = all.data();
    for (T** part : {&q_rows, &q_lanes, &g_rows, &g_lanes, &gq}) *part = at, at += width * padded;
    for (T** part : {&p, &ds}) *part = at, at += key_run * width;
    bias = at;
    keys = at + 2 * key_run * width;
  }
};

/// Where the gradients of a sequence's keys and values of one head are summed: row j at gk + j · step_k.
template <Real T>
struct KeySums {
  T *gk, *gv;
  std::int64_t step_k, step_v;
};

/// Adds what one block of rows gives to the sums of its keys; writes the gradients of its queries.
///   With P = exp(score − lse) and D = Σ g_out · out − g_lse of a row:
///     dS = P (g_out vᵀ − D),   gv += Pᵀ g_out,   gk += scale dSᵀ q,   gq = scale dS k,   g_bias += dS
template <Real T>
void attend_backward(const AttentionProblem& p, const RowBlock<T>& b, const AttentionGradient<T>& g,
                     const KeySums<T>& sums, BackwardMemory<T>& m) {
  using V = Simd<T>;
  constexpr int vectors = RowBlock<T>::vectors, width = RowBlock<T>::width;
  const std::int64_t dim = p.head_dim, padded = m.padded;
  pack_rows(b, g.q, p.q, dim, padded, m.q_rows, m.q_lanes);
  pack_rows(b, g.g_out, p.out, dim, padded, m.g_rows, m.g_lanes);
  T log_sum[width] = {}, shift[width] = {};
  for (std::int64_t r = 0; r < b.rows; ++r) {
    const T *up = m.g_rows + r * padded, *y = g.out + offset_of(p.out, b.token(r), b.head[r]);
    const std::int64_t at = offset_of(p.lse, b.token(r), b.head[r]);
    shift[r] =
        sum_lanes<T>(dim, [&](std::int64_t d, std::int64_t w) { return V::load(up + d) * load_lanes(y + d, w); });
    if (g.g_lse) shift[r] -= g.g_lse[at];
    log_sum[r] = MaxAndSum<T>::anchor(g.lse[at]);
  }
  V lse[vectors], delta[vectors];
  for (int i = 0; i < vectors; ++i) {
    lse[i] = V::load(log_sum + i * V::size);
    delta[i] = V::load(shift + i * V::size);
  }
  const V scale(T(p.scale));

  for (std::int64_t j = b.begin; j < b.stop; j += key_run) {
    const std::int64_t n = std::min(key_run, b.stop - j), token = b.span->kv_begin + j;
    const T *keys = g.k + offset_of(p.k, token, b.kv_head), *values = g.v + offset_of(p.v, token, b.kv_head);
    small_product(n, width, dim, keys, p.k.token, 1, m.q_lanes, width, m.p, width, false);
    small_product(n, width, dim, values, p.v.token, 1, m.g_lanes, width, m.ds, width, false);
    for_scores(p, b, j, n, m.p, g.bias, m.bias, [&](std::int64_t row, int i, const V& s) {
      const std::int64_t at = row * width + i * V::size;
      const V e = math::exp(s - lse[i]), d = e * (V::load(m.ds + at) - delta[i]);
      e.store(m.p + at);
      d.store(m.ds + at);
    });
    if (g.g_bias)
      for (std::int64_t r = 0; r < b.rows; ++r) {
        T* to = g.g_bias + (b.head[r] * p.bias_q + b.query[r]) * p.bias_kv + j;
        for (std::int64_t row = 0; row < n; ++row) to[row] += m.ds[row * width + r];
      }
    for (T* at = m.ds; at != m.ds + n * width; at += V::size) (V::load(at) * scale).store(at);

    small_product(n, dim, b.rows, m.p, width, 1, m.g_rows, padded, sums.gv + j * sums.step_v, sums.step_v, true);
    small_product(n, dim, b.rows, m.ds, width, 1, m.q_rows, padded, sums.gk + j * sums.step_k, sums.step_k, true);
    const WholeRows<T> whole(g.k, p.k, token, b.kv_head, n, dim, padded, m.keys);
    small_product(b.rows, padded, n, m.ds, 1, width, whole.data, whole.step, m.gq, padded, j > b.begin);
  }
  for (std::int64_t r = 0; r < b.rows; ++r) {
    T* to = g.gq + offset_of(p.q, b.token(r), b.head[r]);
    if (b.begin < b.stop) std::copy_n(m.gq + r * padded, dim, to);
    else std::fill_n(to, dim, T(0));
  }
}

/// A sequence's rows against one key head, cut into ranges that are computed apart: more where they are many.
struct RowRanges {
  static constexpr std::int64_t most = 4;
  std::int64_t rows, count;

  RowRanges(const AttentionProblem& p, const AttentionSpan& s)
      : rows(s.q_length * p.group()), count(double(rows) * double(s.kv_length) > double(1 << 18) ? most : 1) {}
  std::int64_t begin(std::int64_t range, std::int64_t width) const {
    const std::int64_t blocks = (rows + width - 1) / width;
    return std::min(rows, blocks * range / count * width);
  }
};

/// Gradients of the inputs for g_out and g_lse, gradients of the outputs; all lie as the tensors that they belong to.
///   g_lse   may be null: zero. bias and g_bias may be null.
///   gq, gk, gv are written for the tokens of the sequences; two sequences must not share keys (ValueError). g_bias is
///   written, summed over the sequences.
///   Order   sums over queries go by blocks of rows; a long sequence has four partial sums. Threads change nothing.
///   Memory  some 100 kB a thread, and for long sequences three times their gk and gv.
template <Real T>
void attention_backward(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias,
                        const T* out, const T* lse, const T* g_out, T* gq, T* gk, T* gv, T* g_bias = nullptr,
                        const T* g_lse = nullptr) {
  p.check(bias != nullptr || g_bias != nullptr, true);
  const AttentionGradient<T> g{q, k, v, bias, out, lse, g_out, g_lse, gq, gk, gv, g_bias};
  const auto rows_of = [&](const AttentionSpan& s, std::int64_t h, std::int64_t begin, std::int64_t end,
                           const KeySums<T>& sums, BackwardMemory<T>& memory) {
    for (std::int64_t r = begin; r < end; r += RowBlock<T>::width)
      attend_backward(p, RowBlock<T>(p, s, h, r), g, sums, memory);
  };
  const auto in_place = [&](const AttentionSpan& s, std::int64_t h) {
    const KeySums<T> sums{gk + offset_of(p.k, s.kv_begin, h), gv + offset_of(p.v, s.kv_begin, h), p.k.token, p.v.token};
    for (std::int64_t j = 0; j < s.kv_length; ++j) {
      std::fill_n(sums.gk + j * sums.step_k, p.head_dim, T(0));
      std::fill_n(sums.gv + j * sums.step_v, p.head_dim, T(0));
    }
    return sums;
  };

  if (g_bias) {  // its sums run over the sequences, so one piece goes through them all
    const std::int64_t of_head = p.group() * p.bias_q * p.bias_kv;
    parallel_for(p.kv_heads, 1, [&](std::int64_t begin, std::int64_t end) {
      BackwardMemory<T> memory(p.head_dim);
      for (std::int64_t h = begin; h < end; ++h) {
        std::fill_n(g_bias + h * of_head, of_head, T(0));
        for (const AttentionSpan& s : p.sequences) rows_of(s, h, 0, s.q_length * p.group(), in_place(s, h), memory);
      }
    });
    return;
  }

  struct Piece {
    const AttentionSpan* span;
    std::int64_t head, range, memory;  // where the partial sums of a later range begin
  };
  std::vector<Piece> pieces;
  std::int64_t partial = 0;
  for (const AttentionSpan& s : p.sequences)
    for (std::int64_t h = 0; h < p.kv_heads; ++h)
      for (std::int64_t range = 0; range < RowRanges(p, s).count; ++range) {
        pieces.push_back({&s, h, range, partial});
        if (range > 0) partial += 2 * s.kv_length * p.head_dim;
      }
  const Scratch<T> partials(partial);
  const auto sums_of = [&](const Piece& piece) {
    T* at = partials.data() + piece.memory;
    return KeySums<T>{at, at + piece.span->kv_length * p.head_dim, p.head_dim, p.head_dim};
  };
  parallel_for(std::int64_t(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    BackwardMemory<T> memory(p.head_dim);
    for (std::int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[std::size_t(i)];
      const RowRanges ranges(p, *piece.span);
      KeySums<T> sums = sums_of(piece);
      if (piece.range == 0) sums = in_place(*piece.span, piece.head);
      else std::fill_n(sums.gk, 2 * piece.span->kv_length * p.head_dim, T(0));
      rows_of(*piece.span, piece.head, ranges.begin(piece.range, RowBlock<T>::width),
              ranges.begin(piece.range + 1, RowBlock<T>::width), sums, memory);
    }
  });
  if (partial == 0) return;
  parallel_for(std::int64_t(pieces.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (pieces[std::size_t(i)].range != 0) continue;
      const AttentionSpan& s = *pieces[std::size_t(i)].span;
      const std::int64_t h = pieces[std::size_t(i)].head;
      for (std::int64_t range = 1; range < RowRanges(p, s).count; ++range) {
        const KeySums<T> sums = sums_of(pieces[std::size_t(i + range)]);
        for (std::int64_t j = 0; j < s.kv_length; ++j) {
          T *to_k = gk + offset_of(p.k, s.kv_begin + j, h), *to_v = gv + offset_of(p.v, s.kv_begin + j, h);
          for_lanes<T>(p.head_dim, [&](std::int64_t d, std::int64_t w) {
            store_lanes(load_lanes(to_k + d, w) + load_lanes(sums.gk + j * p.head_dim + d, w), to_k + d, w);
            store_lanes(load_lanes(to_v + d, w) + load_lanes(sums.gv + j * p.head_dim + d, w), to_v + d, w);
          });
        }
      }
    }
  });
}

}  // namespace tenzo::cpu
