// OPT: decoder with learnt positions, ReLU, and biases everywhere.
//   Source  Zhang et al. 2022, "OPT: Open Pre-trained Transformer Language Models".
#pragma once

#include <vector>

#include "tenzo/models/positioned_batch.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo {

struct OptConfig {
  std::int64_t vocab_size = 0, hidden_size = 0, ffn_dim = 0, num_hidden_layers = 0, num_attention_heads = 0;
  std::int64_t max_position_embeddings = 2048, word_embed_proj_dim = 0;
  bool do_layer_norm_before = true, tie_word_embeddings = true, final_layer_norm = true;
  static constexpr std::int64_t position_offset = 2;  // the table's first two rows are unused
};

template <class V>
struct OptAttention {
  Linear<V> k_proj, v_proj, q_proj, out_proj;

  static void visit(auto&& f, auto&... self) {
    f("k_proj", self.k_proj...);
    f("v_proj", self.v_proj...);
    f("q_proj", self.q_proj...);
    f("out_proj", self.out_proj...);
  }
  template <Value X>
  X operator()(const X& x, const PositionedBatch& b) const {  // (tokens, hidden) -> the same
    return out_proj(attention(q_proj(x), k_proj(x), v_proj(x), b.attention));
  }
};

template <class V>
struct OptBlock {
  OptAttention<V> self_attn;
  LayerNorm<V> self_attn_layer_norm;
  Linear<V> fc1, fc2;
  LayerNorm<V> final_layer_norm;
  bool norm_first = true;

  static void visit(auto&& f, auto&... self) {
    f("self_attn", self.self_attn...);
    f("self_attn_layer_norm", self.self_attn_layer_norm...);
    f("fc1", self.fc1...);
    f("fc2", self.fc2...);
    f("final_layer_norm", self.final_layer_norm...);
    f("norm_first", self.norm_first...);
  }
  template <Value X>
  X operator()(const X& x, const PositionedBatch& b) const {  // (tokens, hidden) -> the same
    if (norm_first) {
      const X h = add(x, self_attn(self_attn_layer_norm(x), b));
      return add(h, fc2(relu(fc1(final_layer_norm(h)))));
    }
    const X h = self_attn_layer_norm(add(x, self_attn(x, b)));
    return final_layer_norm(add(h, fc2(relu(fc1(h)))));
  }
};

template <class V>
struct OptDecoder {
  Embedding<V> embed_tokens, embed_positions;
  Linear<V> project_in, project_out;  // where the embedding is narrower than the model
  std::vector<OptBlock<V>> layers;
  LayerNorm<V> final_layer_norm;

  static void visit(auto&& f, auto&... self) {
    f("embed_tokens", self.embed_tokens...);
    f("embed_positions", self.embed_positions...);
    f("project_in", self.project_in...);
    f("project_out", self.project_out...);
    f("layers", self.layers...);
    f("final_layer_norm", self.final_layer_norm...);
  }
};

/// Leaves are named as in the ecosystem's safetensors: "model.decoder.layers.0.fc1.weight".
template <class V>
struct Opt {
  OptConfig config;
  OptDecoder<V> decoder;
  V lm_head;  // (vocab, embedding); undefined where tied

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("model.decoder", self.decoder...);
    f("lm_head.weight", self.lm_head...);
  }

  using Batch = PositionedBatch;
  Batch batch(PackedTokens tokens) const {
    return Batch(std::move(tokens), config.num_attention_heads, config.hidden_size / config.num_attention_heads, true,
                 OptConfig::position_offset);
  }
  std::size_t depth() const { return decoder.layers.size(); }
  V embed(const Batch& b) const {  // -> (tokens, hidden)
    V x = decoder.embed_tokens(b.ids);
    if (decoder.project_in.weight.defined()) x = decoder.project_in(x);
    return add(x, decoder.embed_positions(b.positions));
  }
  V blocks(V x, const Batch& b, std::size_t begin, std::size_t end) const {  // (tokens, hidden) -> the same
    for (std::size_t i = begin; i < end; ++i) x = decoder.layers[i](x, b);
    return x;
  }
  V finish(const V& x) const {  // (rows, hidden) -> (rows, embedding)
    const V y = decoder.final_layer_norm.weight.defined() ? decoder.final_layer_norm(x) : x;
    return decoder.project_out.weight.defined() ? decoder.project_out(y) : y;
  }
  const V& head() const { return lm_head.defined() ? lm_head : decoder.embed_tokens.weight; }
  V logits(const Batch& b) const {
    return linear(finish(blocks(embed(b), b, 0, depth())), head());
  }  // -> (tokens, vocab)
};

inline Opt<Expected> opt_spec(const OptConfig& c) {
  const std::int64_t h = c.hidden_size;
  const auto affine = [](std::int64_t out, std::int64_t in) {
    Linear<Expected> l;
    l.weight = Shape{out, in};
    l.bias = Shape{out};
    return l;
  };
  const LayerNorm<Expected> norm{Shape{h}, Shape{h}, 1e-5};
  Opt<Expected> m;
  m.config = c;
  m.decoder.embed_tokens.weight = Shape{c.vocab_size, c.word_embed_proj_dim};
  m.decoder.embed_positions.weight = Shape{c.max_position_embeddings + OptConfig::position_offset, h};
  if (c.word_embed_proj_dim != h) {
    m.decoder.project_in.weight = Shape{h, c.word_embed_proj_dim};
    m.decoder.project_out.weight = Shape{c.word_embed_proj_dim, h};
  }
  if (c.do_layer_norm_before && c.final_layer_norm) m.decoder.final_layer_norm = norm;
  if (!c.tie_word_embeddings) m.lm_head = Shape{c.vocab_size, c.word_embed_proj_dim};
  OptBlock<Expected> b;
  b.self_attn = {affine(h, h), affine(h, h), affine(h, h), affine(h, h)};
  b.self_attn_layer_norm = b.final_layer_norm = norm;
  b.fc1 = affine(c.ffn_dim, h);
  b.fc2 = affine(h, c.ffn_dim);
  b.norm_first = c.do_layer_norm_before;
  m.decoder.layers.assign(std::size_t(c.num_hidden_layers), b);
  return m;
}

}  // namespace tenzo
