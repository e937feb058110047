// T5 in its v1.1 form (Flan-T5): encoder and decoder with relative positions, RMS norms, gated GELU and no biases.
//   Source  Raffel et al. 2020; Chung et al. 2022.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "tenzo/models/packed.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/attention.hpp"
#include "tenzo/ops/gated.hpp"

namespace tenzo {

struct T5Config {
  std::int64_t vocab_size = 0, d_model = 0, d_kv = 0, d_ff = 0, num_layers = 0, num_decoder_layers = 0, num_heads = 0;
  std::int64_t buckets = 32, max_distance = 128, decoder_start_token_id = 0;
  double layer_norm_epsilon = 1e-6;
  bool tie_word_embeddings = false, scale_decoder_outputs = false;
};

/// Bucket of a key's position less a query's: half of them exact, the others logarithmic up to `max_distance`.
/// Bidirectional ones spend half on each sign; causal ones look back only.
///   Source  Raffel et al. 2020, section 2.1.
inline std::int64_t t5_bucket(std::int64_t relative, bool bidirectional, std::int64_t buckets,
                              std::int64_t max_distance) {
  std::int64_t bucket = 0, n = -relative;
  if (bidirectional) {
    buckets /= 2;
    if (relative > 0) bucket = buckets;
    n = std::abs(relative);
  } else {
    n = std::max<std::int64_t>(0, n);
  }
  const std::int64_t exact = buckets / 2;
  if (n < exact) return bucket + n;
  const auto far = exact + std::int64_t(std::log(float(n) / float(exact)) /
                                        std::log(float(max_distance) / float(exact)) * float(buckets - exact));
  return bucket + std::min(far, buckets - 1);
}

/// Source and target sequences, one of each a pair.
struct T5Batch {
  Indices source, target;
  std::shared_ptr<const AttentionLayout> encoder, decoder, cross;
  Indices encoder_buckets, decoder_buckets;  // (longest · longest), of each key for each query
  std::int64_t longest_source = 0, longest_target = 0;

  T5Batch(const PackedTokens& from, const PackedTokens& to, const T5Config& c)
      : source(from.id_tensor()), target(to.id_tensor()) {
    require(from.sequences() == to.sequences(), "t5: ", from.sequences(), " sources and ", to.sequences(), " targets");
    AttentionLayout l;
    l.heads = l.kv_heads = c.num_heads;
    l.head_dim = c.d_kv;
    l.scale = 1;
    AttentionLayout enc = l, dec = l, both = l;
    dec.causal = true;
    for (std::int64_t s = 0; s < from.sequences(); ++s) {
      const std::int64_t a = from.offsets[std::size_t(s)], n = from.length(s), b = to.offsets[std::size_t(s)],
                         m = to.length(s);
      enc.sequences.push_back({a, n, a, n});
      dec.sequences.push_back({b, m, b, m});
      both.sequences.push_back({b, m, a, n});
      longest_source = std::max(longest_source, n);
      longest_target = std::max(longest_target, m);
    }
    encoder = std::make_shared<const AttentionLayout>(std::move(enc));
    decoder = std::make_shared<const AttentionLayout>(std::move(dec));
    cross = std::make_shared<const AttentionLayout>(std::move(both));
    encoder_buckets = buckets(longest_source, true, c);
    decoder_buckets = buckets(longest_target, false, c);
  }

 private:
  static Indices buckets(std::int64_t n, bool bidirectional, const T5Config& c) {
    Indices out(Shape{n * n});
    for (std::int64_t q = 0; q < n; ++q)
      for (std::int64_t k = 0; k < n; ++k) out(q * n + k) = t5_bucket(k - q, bidirectional, c.buckets, c.max_distance);
    return out;
  }
};

template <class V>
struct T5Attention {
  Linear<V> q, k, v, o;
  Embedding<V> relative_attention_bias;  // (buckets, heads); in the first block only

  static void visit(auto&& f, auto&... self) {
    f("q", self.q...);
    f("k", self.k...);
    f("v", self.v...);
    f("o", self.o...);
    f("relative_attention_bias", self.relative_attention_bias...);
  }
  /// What is added to the scores: (heads, longest, longest).
  V bias(const Indices& buckets, std::int64_t longest) const {
    const V rows = relative_attention_bias(buckets);
    return reshape(permute(rows, {1, 0}), Shape{rows.shape()[1], longest, longest});
  }
  /// x attends to y: (tokens, d_model), (keys, d_model) -> (tokens, d_model).
  V operator()(const V& x, const V& y, const std::shared_ptr<const AttentionLayout>& layout, const V& bias = {}) const {
    return o(attention(q(x), k(y), v(y), layout, bias));
  }
};

template <class V>
struct T5FeedForward {
  Linear<V> wi_0, wi_1, wo;

  static void visit(auto&& f, auto&... self) {
    f("wi_0", self.wi_0...);
    f("wi_1", self.wi_1...);
    f("wo", self.wo...);
  }
  V operator()(const V& x) const { return wo(gelu_tanh_mul(wi_0(x), wi_1(x))); }
};

/// A block of the encoder, or, with cross attention, of the decoder. Its parts are numbered in their names.
template <class V>
struct T5Block {
  T5Attention<V> self_attention;
  RmsNorm<V> self_norm;
  T5Attention<V> cross_attention;
  RmsNorm<V> cross_norm;
  T5FeedForward<V> feed_forward;
  RmsNorm<V> feed_forward_norm;
};

template <class V>
struct T5EncoderBlock : T5Block<V> {
  static void visit(auto&& f, auto&... self) {
    f("layer.0.SelfAttention", self.self_attention...);
    f("layer.0.layer_norm", self.self_norm...);
    f("layer.1.DenseReluDense", self.feed_forward...);
    f("layer.1.layer_norm", self.feed_forward_norm...);
  }
};
template <class V>
struct T5DecoderBlock : T5Block<V> {
  static void visit(auto&& f, auto&... self) {
    f("layer.0.SelfAttention", self.self_attention...);
    f("layer.0.layer_norm", self.self_norm...);
    f("layer.1.EncDecAttention", self.cross_attention...);
    f("layer.1.layer_norm", self.cross_norm...);
    f("layer.2.DenseReluDense", self.feed_forward...);
    f("layer.2.layer_norm", self.feed_forward_norm...);
  }
};

template <class V>
struct T5Encoder {
  std::vector<T5EncoderBlock<V>> block;
  RmsNorm<V> final_layer_norm;

  static void visit(auto&& f, auto&... self) {
    f("block", self.block...);
    f("final_layer_norm", self.final_layer_norm...);
  }
};
template <class V>
struct T5Decoder {
  std::vector<T5DecoderBlock<V>> block;
  RmsNorm<V> final_layer_norm;

  static void visit(auto&& f, auto&... self) {
    f("block", self.block...);
    f("final_layer_norm", self.final_layer_norm...);
  }
};

/// Leaves are named as in the ecosystem's safetensors: "encoder.block.0.layer.0.SelfAttention.q.weight".
template <class V>
struct T5 {
  T5Config config;
  Embedding<V> shared;
  T5Encoder<V> encoder;
  T5Decoder<V> decoder;
  V lm_head;  // (vocab, d_model); undefined where tied

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("shared", self.shared...);
    f("encoder", self.encoder...);
    f("decoder", self.decoder...);
    f("lm_head.weight", self.lm_head...);
  }

  /// (source tokens, d_model).
  V encode(const T5Batch& b) const {
    V x = shared(b.source);
    const V bias = encoder.block.at(0).self_attention.bias(b.encoder_buckets, b.longest_source);
    for (const T5EncoderBlock<V>& block : encoder.block) {
      const V h = block.self_norm(x);
      x = add(x, block.self_attention(h, h, b.encoder, bias));
      x = add(x, block.feed_forward(block.feed_forward_norm(x)));
    }
    return encoder.final_layer_norm(x);
  }
  /// Scores of the vocabulary at each target token: (target tokens, vocab).
  V logits(const T5Batch& b) const {
    const V memory = encode(b);
    V x = shared(b.target);
    const V bias = decoder.block.at(0).self_attention.bias(b.decoder_buckets, b.longest_target);
    for (const T5DecoderBlock<V>& block : decoder.block) {
      const V h = block.self_norm(x);
      x = add(x, block.self_attention(h, h, b.decoder, bias));
      x = add(x, block.cross_attention(block.cross_norm(x), memory, b.cross));
      x = add(x, block.feed_forward(block.feed_forward_norm(x)));
    }
    x = decoder.final_layer_norm(x);
    if (config.scale_decoder_outputs) x = scale(x, 1 / std::sqrt(double(config.d_model)));
    return linear(x, lm_head.defined() ? lm_head : shared.weight);
  }
};

inline T5<Expected> t5_spec(const T5Config& c) {
  const auto matrix = [](std::int64_t out, std::int64_t in) {
    Linear<Expected> l;
    l.weight = Shape{out, in};
    return l;
  };
  const std::int64_t inner = c.num_heads * c.d_kv;
  const RmsNorm<Expected> norm{Shape{c.d_model}, c.layer_norm_epsilon};
  T5Attention<Expected> attend;
  attend.q = attend.k = attend.v = matrix(inner, c.d_model);
  attend.o = matrix(c.d_model, inner);
  const T5FeedForward<Expected> feed{matrix(c.d_ff, c.d_model), matrix(c.d_ff, c.d_model), matrix(c.d_model, c.d_ff)};
  T5EncoderBlock<Expected> e;
  e.self_attention = attend;
  e.feed_forward = feed;
  e.self_norm = e.feed_forward_norm = norm;
  T5DecoderBlock<Expected> d;
  d.self_attention = d.cross_attention = attend;
  d.feed_forward = feed;
  d.self_norm = d.cross_norm = d.feed_forward_norm = norm;
  T5<Expected> m;
  m.config = c;
  m.shared.weight = Shape{c.vocab_size, c.d_model};
  m.encoder.block.assign(std::size_t(c.num_layers), e);
  m.decoder.block.assign(std::size_t(c.num_decoder_layers), d);
  m.encoder.block.at(0).self_attention.relative_attention_bias.weight = Shape{c.buckets, c.num_heads};
  m.decoder.block.at(0).self_attention.relative_attention_bias.weight = Shape{c.buckets, c.num_heads};
  m.encoder.final_layer_norm = m.decoder.final_layer_norm = norm;
  if (!c.tie_word_embeddings) m.lm_head = Shape{c.vocab_size, c.d_model};
  return m;
}

}  // namespace tenzo
