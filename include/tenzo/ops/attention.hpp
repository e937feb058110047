// Scaled dot-product attention, on packed sequences and on batches.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/cpu/attention.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/ops/softmax.hpp"

namespace tenzo {

/// Who attends to whom.
///   causal   query i of a sequence sees keys j <= i + kv_length − q_length: both are aligned at their ends
///   window   and of these the last `window`, itself included; 0: all
struct AttentionLayout {
  std::int64_t heads = 1, kv_heads = 1, head_dim = 1;
  bool causal = false;
  std::int64_t window = 0;
  double scale = 0;  // of the scores; 0: 1/√head_dim
  std::vector<AttentionSpan> sequences = {};

  double score_scale() const { return scale != 0 ? scale : 1 / std::sqrt(double(head_dim)); }
  bool sees(std::int64_t query, std::int64_t key, std::int64_t q_length, std::int64_t kv_length) const {
    const std::int64_t last = query + kv_length - q_length;
    return (!causal || key <= last) && (window == 0 || key > last - window);
  }
};

/// softmax(scale · q kᵀ + bias, over the keys seen) v, head by head; keeps log Σ exp of the scores of each query.
///   Inputs  q, k, v, and bias (heads, longest query, longest key), shared by the sequences, or undefined.
///   Memory  no scores are stored, in either pass.
struct Attention {
  static constexpr std::size_t inputs = 4, outputs = 2;
  static constexpr std::string_view name = "attention";
  static constexpr bool reads_inputs[] = {true, true, true, true}, reads_outputs[] = {true, true};
  std::shared_ptr<const AttentionLayout> layout;
  bool batched = false;  // (batch, heads, time, dim) instead of packed (tokens, heads · dim)

  template <class V>
  Values<V, 2> compose(const Values<V, 4>& x) const {
    const AttentionLayout& l = *layout;
    std::vector<V> out;
    for (std::size_t s = 0; s < l.sequences.size(); ++s) {
      const AttentionSpan& span = l.sequences[s];
      const V q = heads_of(x[0], s, span.q_begin, span.q_length, l.heads);
      const V k = grouped(heads_of(x[1], s, span.kv_begin, span.kv_length, l.kv_heads));
      const V v = grouped(heads_of(x[2], s, span.kv_begin, span.kv_length, l.kv_heads));
      V scores = scale(matmul(q, k, false, true), l.score_scale());
      if (x[3].defined()) scores = add(scores, slice(slice(x[3], 1, 0, span.q_length), 2, 0, span.kv_length));
      Tensor<std::uint8_t> seen(Shape{span.q_length, span.kv_length});
      for (std::int64_t i = 0; i < span.q_length; ++i)
        for (std::int64_t j = 0; j < span.kv_length; ++j) seen(i, j) = l.sees(i, j, span.q_length, span.kv_length);
      using T = scalar_t<V>;
      scores = where(seen, scores, plain_t<V>::scalar(-std::numeric_limits<T>::infinity()));
      const V o = matmul(softmax(scores, -1), v);  // (heads, query, dim)
      out.push_back(batched ? unsqueeze(o, 0)
                            : reshape(permute(o, {1, 0, 2}), Shape{span.q_length, l.heads * l.head_dim}));
    }
    return {out.empty() ? x[0] : concat(out, 0)};
  }

  template <class T, class D>
  Values<Tensor<T, D>, 2> eval(const Values<Tensor<T, D>, 4>& x) const {
    Tensor<T, D> y(x[0].shape()), lse(Shape{x[0].size() / layout->head_dim});
    attention(D{}, problem(x), x[0].data(), x[1].data(), x[2].data(), x[3].data(), y.data(), lse.data());
    return {y, lse};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 4> vjp(const Values<Tensor<T, D>, 4>& x, const Values<Tensor<T, D>, 2>& y,
                              const Values<Tensor<T, D>, 2>& gy, const Values<bool, 4>& need) const {
    Values<Tensor<T, D>, 4> g;
    for (std::size_t i = 0; i < 4; ++i)
      if (need[i] || i < 3) g[i] = Tensor<T, D>::zeros(x[i].shape());
    attention_backward(D{}, problem(x), x[0].data(), x[1].data(), x[2].data(), x[3].data(), y[0].data(), y[1].data(),
                       gy[0].data(), g[0].data(), g[1].data(), g[2].data(), g[3].data());
    return g;
  }

 private:
  /// (heads, length, dim) of a sequence.
  template <class V>
  V heads_of(const V& x, std::size_t s, std::int64_t begin, std::int64_t length, std::int64_t heads) const {
    if (batched)
      return reshape(slice(x, 0, std::int64_t(s), std::int64_t(s) + 1), Shape{heads, length, layout->head_dim});
    return permute(reshape(slice(x, 0, begin, begin + length), Shape{length, heads, layout->head_dim}), {1, 0, 2});
  }
  /// Each key/value head copied for the query heads of its group.
  template <class V>
  V grouped(const V& x) const {
    if (layout->heads == layout->kv_heads) return x;
    Indices head(Shape{layout->heads});
    for (std::int64_t h = 0; h < layout->heads; ++h) head(h) = h / (layout->heads / layout->kv_heads);
    return index_select(x, 0, head);
  }

  template <class T, class D>
  AttentionProblem problem(const Values<Tensor<T, D>, 4>& x) const {
    const AttentionLayout& l = *layout;
    AttentionProblem p;
    p.heads = l.heads;
    p.kv_heads = l.kv_heads;
    p.head_dim = l.head_dim;
    p.scale = l.score_scale();
    p.causal = l.causal;
    p.window = l.window;
    p.sequences = l.sequences;
    const auto strides = [&](const Tensor<T, D>& t, std::int64_t heads) -> HeadStrides {
      if (batched) return {l.head_dim, t.dim(2) * l.head_dim};
      return {heads * l.head_dim, l.head_dim};
    };
    p.q = p.out = strides(x[0], l.heads);
    p.k = strides(x[1], l.kv_heads);
    p.v = strides(x[2], l.kv_heads);
    p.lse = {p.q.token / l.head_dim, p.q.head / l.head_dim};
    if (x[3].defined()) {
      p.bias_q = x[3].dim(1);
      p.bias_kv = x[3].dim(2);
    }
    return p;
  }
};

namespace detail {

template <class B>
void expect_bias(const AttentionLayout& l, const B& bias) {
  expect(!bias.defined() || (bias.shape().rank() == 3 && bias.shape()[0] == l.heads), "attention: bias is ",
         bias.shape(), "; want (", l.heads, ", queries, keys)");
}

}  // namespace detail

/// Attention of packed sequences: q (tokens, heads · dim), k and v (tokens, kv_heads · dim) → (tokens, heads · dim).
///   bias (heads, longest query, longest key), added to the scores of every sequence; or undefined.
template <Value Q, Value K, Value W, Value B = Q>
auto attention(const Q& q, const K& k, const W& v, std::shared_ptr<const AttentionLayout> layout, const B& bias = {}) {
  const AttentionLayout& l = *layout;
  expect(l.head_dim > 0 && l.kv_heads > 0 && l.heads % l.kv_heads == 0, "attention: ", l.heads, " heads and ",
         l.kv_heads, " of keys, of size ", l.head_dim);
  const auto check = [&](std::string_view what, const Shape& s, std::int64_t heads) {
    expect(s.rank() == 2 && s[1] == heads * l.head_dim, "attention: ", what, " is ", s, "; want (tokens, ", heads,
           " · ", l.head_dim, ")");
  };
  check("q", q.shape(), l.heads);
  check("k", k.shape(), l.kv_heads);
  check("v", v.shape(), l.kv_heads);
  detail::expect_bias(l, bias);
  for (const AttentionSpan& s : l.sequences)
    expect(s.q_begin + s.q_length <= q.shape()[0] && s.kv_begin + s.kv_length <= k.shape()[0] &&
               k.shape()[0] == v.shape()[0],
           "attention: a sequence reaches beyond q ", q.shape(), ", k ", k.shape(), " or v ", v.shape());
  return dispatch_one(Attention{std::move(layout), false}, q, k, v, bias);
}

/// Attention of a batch of sequences of equal length: q (batch, heads, queries, dim), k and v (batch, kv_heads, keys,
/// dim) → (batch, heads, queries, dim). Heads, sizes and sequences of the layout are taken from the shapes.
template <Value Q, Value K, Value W, Value B = Q>
auto batched_attention(const Q& q, const K& k, const W& v, AttentionLayout layout = {}, const B& bias = {}) {
  const Shape &sq = q.shape(), &sk = k.shape();
  expect(sq.rank() == 4 && sk.rank() == 4 && v.shape() == sk && sq[0] == sk[0] && sq[3] == sk[3] && sk[1] > 0 &&
             sq[1] % sk[1] == 0 && sq[3] > 0,
         "attention: q is ", sq, ", k is ", sk, ", v is ", v.shape(), "; want (batch, heads, time, dim), dim above 0");
  layout.heads = sq[1];
  layout.kv_heads = sk[1];
  layout.head_dim = sq[3];
  layout.sequences.clear();
  // In a batch a token's stride is `dim`: sequence b starts at row b · heads · time.
  for (std::int64_t b = 0; b < sq[0]; ++b)
    layout.sequences.push_back({b * sq[1] * sq[2], sq[2], b * sk[1] * sk[2], sk[2]});
  detail::expect_bias(layout, bias);
  return dispatch_one(Attention{std::make_shared<const AttentionLayout>(std::move(layout)), true}, q, k, v, bias);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
