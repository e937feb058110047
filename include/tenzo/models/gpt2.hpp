// GPT-2: decoder with learnt positions, GELU in its tanh form, and weights stored (in, out).
//   Source  Radford et al. 2019, "Language models are unsupervised multitask learners".
#pragma once

#include <vector>

#include "tenzo/models/positioned_batch.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo {

struct Gpt2Config {
  std::int64_t vocab_size = 0, n_embd = 0, n_inner = 0, n_layer = 0, n_head = 0, n_positions = 1024;
  double layer_norm_epsilon = 1e-5;
  bool tie_word_embeddings = true;
};

template <class V>
struct Gpt2Attention {
  Linear<V> c_attn, c_proj;  // q, k and v side by side; the way back

  static void visit(auto&& f, auto&... self) {
    f("c_attn", self.c_attn...);
    f("c_proj", self.c_proj...);
  }
  template <Value X>
  X operator()(const X& x, const PositionedBatch& b) const {  // (tokens, hidden) -> the same
    const auto qkv = chunk(c_attn(x), 3, 1);
    return c_proj(attention(qkv[0], qkv[1], qkv[2], b.attention));
  }
};

template <class V>
struct Gpt2Mlp {
  Linear<V> c_fc, c_proj;

  static void visit(auto&& f, auto&... self) {
    f("c_fc", self.c_fc...);
    f("c_proj", self.c_proj...);
  }
  template <Value X>
  X operator()(const X& x) const {
    return c_proj(gelu_tanh(c_fc(x)));
  }
};

template <class V>
struct Gpt2Block {
  LayerNorm<V> ln_1;
  Gpt2Attention<V> attn;
  LayerNorm<V> ln_2;
  Gpt2Mlp<V> mlp;

  static void visit(auto&& f, auto&... self) {
    f("ln_1", self.ln_1...);
    f("attn", self.attn...);
    f("ln_2", self.ln_2...);
    f("mlp", self.mlp...);
  }
  template <Value X>
  X operator()(const X& x, const PositionedBatch& b) const {  // (tokens, hidden) -> the same
    const X h = add(x, attn(ln_1(x), b));
    return add(h, mlp(ln_2(h)));
  }
};

template <class V>
struct Gpt2Body {
  Embedding<V> wte, wpe;
  std::vector<Gpt2Block<V>> h;
  LayerNorm<V> ln_f;

  static void visit(auto&& f, auto&... self) {
    f("wte", self.wte...);
    f("wpe", self.wpe...);
    f("h", self.h...);
    f("ln_f", self.ln_f...);
  }
};

/// Leaves are named as in the ecosystem's safetensors: "transformer.h.0.attn.c_attn.weight".
template <class V>
struct Gpt2 {
  Gpt2Config config;
  Gpt2Body<V> transformer;
  V lm_head;  // (vocab, hidden); undefined where tied

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("transformer", self.transformer...);
    f("lm_head.weight", self.lm_head...);
  }

  using Batch = PositionedBatch;
  Batch batch(PackedTokens tokens) const {
    return Batch(std::move(tokens), config.n_head, config.n_embd / config.n_head, true, 0);
  }
  std::size_t depth() const { return transformer.h.size(); }
  V embed(const Batch& b) const {
    return add(transformer.wte(b.ids), transformer.wpe(b.positions));
  }                                                                          // -> (tokens, hidden)
  V blocks(V x, const Batch& b, std::size_t begin, std::size_t end) const {  // (tokens, hidden) -> the same
    for (std::size_t i = begin; i < end; ++i) x = transformer.h[i](x, b);
    return x;
  }
  V finish(const V& x) const { return transformer.ln_f(x); }
  const V& head() const { return lm_head.defined() ? lm_head : transformer.wte.weight; }
  V logits(const Batch& b) const {
    return linear(finish(blocks(embed(b), b, 0, depth())), head());
  }  // -> (tokens, vocab)
};

inline Gpt2<Expected> gpt2_spec(const Gpt2Config& c) {
  const std::int64_t h = c.n_embd;
  const auto affine = [](std::int64_t in, std::int64_t out) {
    Linear<Expected> l;
    l.weight = Shape{in, out};
    l.bias = Shape{out};
    l.in_out = true;
    return l;
  };
  const LayerNorm<Expected> norm{Shape{h}, Shape{h}, c.layer_norm_epsilon};
  Gpt2<Expected> m;
  m.config = c;
  m.transformer.wte.weight = Shape{c.vocab_size, h};
  m.transformer.wpe.weight = Shape{c.n_positions, h};
  m.transformer.ln_f = norm;
  if (!c.tie_word_embeddings) m.lm_head = Shape{c.vocab_size, h};
  Gpt2Block<Expected> b;
  b.ln_1 = b.ln_2 = norm;
  b.attn = {affine(h, 3 * h), affine(h, h)};
  b.mlp = {affine(h, c.n_inner), affine(c.n_inner, h)};
  m.transformer.h.assign(std::size_t(c.n_layer), b);
  return m;
}

}  // namespace tenzo
