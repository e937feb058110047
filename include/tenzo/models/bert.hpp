// BERT and RoBERTa: bidirectional encoders, with RoBERTa's masked-language-model head.
//   Source  Devlin et al. 2019; Liu et al. 2019.
#pragma once

#include <vector>

#include "tenzo/models/positioned_batch.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

struct BertConfig {
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0, num_attention_heads = 0;
  std::int64_t max_position_embeddings = 512, type_vocab_size = 2;
  std::int64_t first_position = 0;  // RoBERTa's positions start behind the padding token's: at pad_token_id + 1
  double layer_norm_eps = 1e-12;
};

template <class V>
struct BertEmbeddings {
  Embedding<V> word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm<V> layer_norm;

  static void visit(auto&& f, auto&... self) {
    f("word_embeddings", self.word_embeddings...);
    f("position_embeddings", self.position_embeddings...);
    f("token_type_embeddings", self.token_type_embeddings...);
    f("LayerNorm", self.layer_norm...);
  }
  V operator()(const PositionedBatch& b, const Indices& types) const {  // -> (tokens, hidden)
    return layer_norm(add(add(word_embeddings(b.ids), token_type_embeddings(types)), position_embeddings(b.positions)));
  }
};

template <class V>
struct BertBlock {
  Linear<V> query, key, value, attention_out;
  LayerNorm<V> attention_norm;
  Linear<V> up, down;
  LayerNorm<V> output_norm;

  static void visit(auto&& f, auto&... self) {
    f("attention.self.query", self.query...);
    f("attention.self.key", self.key...);
    f("attention.self.value", self.value...);
    f("attention.output.dense", self.attention_out...);
    f("attention.output.LayerNorm", self.attention_norm...);
    f("intermediate.dense", self.up...);
    f("output.dense", self.down...);
    f("output.LayerNorm", self.output_norm...);
  }
  template <Value X>
  X operator()(const X& x, const PositionedBatch& b) const {  // (tokens, hidden) -> the same
    const X h = attention_norm(add(x, attention_out(attention(query(x), key(x), value(x), b.attention))));
    return output_norm(add(h, down(gelu(up(h)))));
  }
};

/// Leaves are named as in the ecosystem's safetensors: "encoder.layer.0.attention.self.query.weight".
template <class V>
struct Bert {
  BertConfig config;
  BertEmbeddings<V> embeddings;
  std::vector<BertBlock<V>> layers;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("embeddings", self.embeddings...);
    f("encoder.layer", self.layers...);
  }

  PositionedBatch batch(PackedTokens tokens) const {
    return PositionedBatch(std::move(tokens), config.num_attention_heads,
                           config.hidden_size / config.num_attention_heads, false, config.first_position);
  }
  /// Last hidden states; `types` are the segments of the tokens, all zero where undefined.
  V operator()(const PositionedBatch& b, const Indices& types = {}) const {  // -> (tokens, hidden)
    V x = embeddings(b, types.defined() ? types : Indices::zeros(b.ids.shape()));
    for (const BertBlock<V>& layer : layers) x = layer(x, b);
    return x;
  }
};

/// Means over the tokens of each sequence, scaled to unit length: sentence embeddings.  (tokens, hidden) -> (sequences,
/// hidden)
template <Value V>
V mean_pool_normalized(const V& hidden, const PositionedBatch& b) {
  std::vector<V> rows;
  for (std::int64_t s = 0; s < b.tokens.sequences(); ++s) {
    const std::int64_t end = b.ends[std::size_t(s)];
    rows.push_back(mean(slice(hidden, 0, end - b.tokens.length(s), end), 0, true));
  }
  const V pooled = concat(rows, 0);
  return div(pooled, sqrt(sum(square(pooled), 1, true)));
}

/// The head that scores the vocabulary at each token: decoder(norm(gelu(dense(x)))), the decoder tied to the embedding.
template <class V>
struct RobertaHead {
  Linear<V> dense;
  LayerNorm<V> layer_norm;
  V bias;  // (vocab)

  static void visit(auto&& f, auto&... self) {
    f("dense", self.dense...);
    f("layer_norm", self.layer_norm...);
    f("bias", self.bias...);
  }
};

template <class V>
struct RobertaForMaskedLm {
  Bert<V> roberta;
  RobertaHead<V> lm_head;

  static void visit(auto&& f, auto&... self) {
    f("roberta", self.roberta...);
    f("lm_head", self.lm_head...);
  }
  V logits(const PositionedBatch& b) const {  // -> (tokens, vocab)
    const V h = lm_head.layer_norm(gelu(lm_head.dense(roberta(b))));
    return linear(h, roberta.embeddings.word_embeddings.weight, lm_head.bias);
  }
};

inline Bert<Expected> bert_spec(const BertConfig& c) {
  const std::int64_t h = c.hidden_size;
  const auto affine = [](std::int64_t out, std::int64_t in) {
    Linear<Expected> l;
    l.weight = Shape{out, in};
    l.bias = Shape{out};
    return l;
  };
  const LayerNorm<Expected> norm{Shape{h}, Shape{h}, c.layer_norm_eps};
  Bert<Expected> m;
  m.config = c;
  m.embeddings.word_embeddings.weight = Shape{c.vocab_size, h};
  m.embeddings.position_embeddings.weight = Shape{c.max_position_embeddings, h};
  m.embeddings.token_type_embeddings.weight = Shape{c.type_vocab_size, h};
  m.embeddings.layer_norm = norm;
  BertBlock<Expected> b;
  b.query = b.key = b.value = b.attention_out = affine(h, h);
  b.attention_norm = b.output_norm = norm;
  b.up = affine(c.intermediate_size, h);
  b.down = affine(h, c.intermediate_size);
  m.layers.assign(std::size_t(c.num_hidden_layers), b);
  return m;
}

inline RobertaForMaskedLm<Expected> roberta_spec(const BertConfig& c) {
  const std::int64_t h = c.hidden_size;
  RobertaForMaskedLm<Expected> m;
  m.roberta = bert_spec(c);
  m.lm_head.dense.weight = Shape{h, h};
  m.lm_head.dense.bias = Shape{h};
  m.lm_head.layer_norm = {Shape{h}, Shape{h}, c.layer_norm_eps};
  m.lm_head.bias = Shape{c.vocab_size};
  return m;
}

}  // namespace tenzo
