// The LLaMA family: LLaMA, Vicuna, Mistral (sliding window), Qwen2 (biases on q, k, v), SmolLM2.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/models/packed.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/attention.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/gated.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/rope.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

/// Sizes and constants of a model of the LLaMA family, named as in its config.json.
struct LlamaConfig {
  std::int64_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  std::int64_t max_position_embeddings = 2048;
  std::int64_t sliding_window = 0;  // positions a query sees, itself included; 0: all
  double rope_theta = 10000, rms_norm_eps = 1e-6;
  bool tie_word_embeddings = false;
  bool qkv_bias = false, output_bias = false, mlp_bias = false;  // Qwen2 has the first
  RopeLayout rope_layout = RopeLayout::half;                     // GGUF files of this family are laid out `interleaved`
};

/// Throws FileError (with the path of the file that said so) where sizes are missing or contradict each other.
TENZO_COMPILED void check_config(const LlamaConfig& c, const std::string& path);

#if TENZO_DEFINES(models)
TENZO_COMPILED void check_config(const LlamaConfig& c, const std::string& path) {
  const auto check = [&](bool holds, const auto&... why) {
    if (!holds) throw FileError(path, -1, cat("configuration: ", why...));
  };
  for (const auto& [name, n] : {std::pair{"vocab_size", c.vocab_size},
                                {"hidden_size", c.hidden_size},
                                {"intermediate_size", c.intermediate_size},
                                {"num_hidden_layers", c.num_hidden_layers},
                                {"num_attention_heads", c.num_attention_heads},
                                {"num_key_value_heads", c.num_key_value_heads},
                                {"head_dim", c.head_dim},
                                {"max_position_embeddings", c.max_position_embeddings}})
    check(n > 0 && n < (std::int64_t(1) << 31), name, " is ", n);
  check(c.num_hidden_layers <= 4096, "num_hidden_layers is ", c.num_hidden_layers);
  check(c.num_attention_heads % c.num_key_value_heads == 0, c.num_attention_heads, " heads are no multiple of ",
        c.num_key_value_heads, " key/value heads");
  check(c.head_dim % 2 == 0, "head_dim is ", c.head_dim, "; rotary positions want an even one");
  check(c.sliding_window >= 0, "sliding_window is ", c.sliding_window);
  check(c.rope_theta > 0 && c.rms_norm_eps >= 0, "rope_theta is ", c.rope_theta, ", rms_norm_eps ", c.rms_norm_eps);
}
#endif

/// A batch with what all layers share: rotary angles and which positions see which.
struct LlamaBatch {
  PackedTokens tokens;
  Tensor<std::int64_t> ids;          // of the tokens
  std::vector<std::int64_t> ends;    // row of the hidden states after the last one of each sequence
  Tensor<std::int64_t> prompt_rows;  // rows of [prompt; tokens] in the order of the hidden states, if there is a prompt
  Tensor<std::int64_t> prefix_rows;  // rows of [prefix; keys] in the order that attention reads, if there is a prefix
  RopeTable rope;
  std::shared_ptr<const AttentionLayout> attention, prefixed;  // without and with the prefix

  /// `prompt` virtual tokens stand before each sequence (prompt tuning) and take positions; `prefix` keys and values do
  /// too (prefix tuning), but take none. `past` keys and values of the only sequence are in a cache.
  TENZO_COMPILED LlamaBatch(PackedTokens packed, const LlamaConfig& c, std::int64_t prompt = 0, std::int64_t prefix = 0,
                            std::int64_t past = 0);
};

#if TENZO_DEFINES(models)
TENZO_COMPILED LlamaBatch::LlamaBatch(PackedTokens packed, const LlamaConfig& c, std::int64_t prompt,
                                      std::int64_t prefix, std::int64_t past)
    : tokens(std::move(packed)), ids(tokens.id_tensor()) {
  std::vector<std::int64_t> positions, rows_of_prompt, rows_of_prefix;
  AttentionLayout plain;
  plain.heads = c.num_attention_heads;
  plain.kv_heads = c.num_key_value_heads;
  plain.head_dim = c.head_dim;
  plain.causal = true;
  plain.window = c.sliding_window;
  AttentionLayout with_prefix = plain;
  for (std::int64_t s = 0; s < tokens.sequences(); ++s) {
    const auto begin = std::int64_t(positions.size()), kv_begin = begin + s * prefix;
    for (std::int64_t i = 0; i < prefix; ++i) rows_of_prefix.push_back(i);
    for (std::int64_t i = 0; i < prompt; ++i) {
      positions.push_back(i);
      rows_of_prompt.push_back(i);
    }
    for (std::int64_t i = tokens.offsets[s]; i < tokens.offsets[s + 1]; ++i) {
      positions.push_back(prompt + tokens.positions[i]);
      rows_of_prompt.push_back(prompt + i);
    }
    ends.push_back(std::int64_t(positions.size()));
    for (std::int64_t i = begin; i < ends.back(); ++i) rows_of_prefix.push_back(prefix + i);
    const std::int64_t length = ends.back() - begin;
    plain.sequences.push_back({begin, length, begin, past + length});
    with_prefix.sequences.push_back(
        {begin, length, kv_begin, length + prefix});  // a prefix stands in the cache already
  }
  attention = std::make_shared<const AttentionLayout>(std::move(plain));
  prefixed = std::make_shared<const AttentionLayout>(std::move(with_prefix));
  if (prompt) prompt_rows = Tensor<std::int64_t>::from(Shape{std::int64_t(rows_of_prompt.size())}, rows_of_prompt);
  if (prefix) prefix_rows = Tensor<std::int64_t>::from(Shape{std::int64_t(rows_of_prefix.size())}, rows_of_prefix);
  rope = RopeTable(positions, c.head_dim, c.rope_theta, c.rope_layout);
}
#endif

/// Keys and values of the tokens so far, layer by layer: what generation does not compute again.
template <class V>
struct KeyValueCache {
  struct Layer {
    V key, value;  // (tokens, key/value features)
  };
  std::vector<Layer> layers;
  std::int64_t tokens = 0;  // positions taken
};

template <class V>
struct LlamaAttention {
  Linear<V> q_proj, k_proj, v_proj, o_proj;
  V prefix_key, prefix_value;  // (prefix, key/value features), or undefined

  static void visit(auto&& f, auto&... self) {
    f("q_proj", self.q_proj...);
    f("k_proj", self.k_proj...);
    f("v_proj", self.v_proj...);
    f("o_proj", self.o_proj...);
    f("prefix_key", self.prefix_key...);
    f("prefix_value", self.prefix_value...);
  }

  template <Value X>
  X operator()(const X& x, const LlamaBatch& batch, typename KeyValueCache<X>::Layer* cache = nullptr) const {
    // (tokens, hidden) -> the same
    const X q = rope(q_proj(x), batch.rope);
    X k = rope(k_proj(x), batch.rope), v = v_proj(x);
    if (cache) {
      if (cache->key.defined()) {
        k = concat(cache->key, k, 0);
        v = concat(cache->value, v, 0);
      }
      cache->key = k;
      cache->value = v;
    } else if (prefix_key.defined()) {
      k = index_select(concat(X(prefix_key), k, 0), 0, batch.prefix_rows);
      v = index_select(concat(X(prefix_value), v, 0), 0, batch.prefix_rows);
    }
    const bool prefixed = prefix_key.defined() && !cache;
    return o_proj(attention(q, k, v, prefixed ? batch.prefixed : batch.attention));
  }
};

/// down(silu(gate(x)) · up(x)).
template <class V>
struct LlamaMlp {
  Linear<V> gate_proj, up_proj, down_proj;

  static void visit(auto&& f, auto&... self) {
    f("gate_proj", self.gate_proj...);
    f("up_proj", self.up_proj...);
    f("down_proj", self.down_proj...);
  }
  template <Value X>
  X operator()(X x) const {  // (tokens, hidden) -> the same
    X gate = gate_proj(x);
    const X up = up_proj(x);
    x = {};  // not needed beside the widest arrays of a block
    return down_proj(silu_mul(std::move(gate), up));
  }
};

template <class V>
struct LlamaBlock {
  RmsNorm<V> input_layernorm;
  LlamaAttention<V> self_attn;
  RmsNorm<V> post_attention_layernorm;
  LlamaMlp<V> mlp;

  static void visit(auto&& f, auto&... self) {
    f("input_layernorm", self.input_layernorm...);
    f("self_attn", self.self_attn...);
    f("post_attention_layernorm", self.post_attention_layernorm...);
    f("mlp", self.mlp...);
  }
  template <Value X>
  X operator()(X x, const LlamaBatch& batch, typename KeyValueCache<X>::Layer* cache = nullptr) const {
    // (tokens, hidden) -> the same
    const X h = add(x, self_attn(input_layernorm(x), batch, cache));
    x = {};
    return add(h, mlp(post_attention_layernorm(h)));
  }
};

template <class V>
struct LlamaBody {
  Embedding<V> embed_tokens;
  V prompt;  // (virtual tokens, hidden) of prompt tuning, or undefined
  std::vector<LlamaBlock<V>> layers;
  RmsNorm<V> norm;

  static void visit(auto&& f, auto&... self) {
    f("embed_tokens", self.embed_tokens...);
    f("prompt", self.prompt...);
    f("layers", self.layers...);
    f("norm", self.norm...);
  }
};

/// Leaves are named as in the ecosystem's safetensors: "model.layers.0.self_attn.q_proj.weight".
template <class V>
struct Llama {
  LlamaConfig config;
  LlamaBody<V> model;
  V lm_head;  // (vocab, hidden); undefined where tied to the embedding

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("model", self.model...);
    f("lm_head.weight", self.lm_head...);
  }

  // What a language model offers to losses and generation.
  using Batch = LlamaBatch;

  /// A batch for this model: with the prompt and prefix that it has.
  Batch batch(PackedTokens tokens) const {
    std::int64_t prompt = 0, prefix = 0;
    if (model.prompt.defined()) prompt = model.prompt.shape()[0];
    for (const LlamaBlock<V>& b : model.layers)
      if (b.self_attn.prefix_key.defined()) prefix = b.self_attn.prefix_key.shape()[0];
    return Batch(std::move(tokens), config, prompt, prefix);
  }
  std::size_t depth() const { return model.layers.size(); }

  /// Hidden states before the first block; with prompt tuning the virtual tokens stand before each sequence.
  V embed(const Batch& b) const;  // -> (tokens, hidden)
  /// Hidden states behind blocks [begin, end).
  V blocks(V x, const Batch& b, std::size_t begin, std::size_t end) const;  // (tokens, hidden) -> the same
  /// Hidden states as the head wants them; row by row.
  V finish(const V& x) const { return model.norm(x); }  // (rows, hidden) -> the same
  /// The table of output vectors.
  const V& head() const { return lm_head.defined() ? lm_head : model.embed_tokens.weight; }  // (vocab, hidden)

  /// Scores of the whole vocabulary behind the next tokens of a sequence, whose keys and values join the cache.
  ///   `tokens` holds one sequence, its positions from cache.tokens on. → (1, vocab)
  V next_logits(PackedTokens tokens, KeyValueCache<V>& cache) const;

  /// Scores of the whole vocabulary at every token.
  V logits(const Batch& b) const;  // -> (tokens, vocab)
};

template <class V>
V Llama<V>::embed(const Batch& b) const {
  const V x = model.embed_tokens(b.ids);
  return model.prompt.defined() ? index_select(concat(model.prompt, x, 0), 0, b.prompt_rows) : x;
}

template <class V>
V Llama<V>::blocks(V x, const Batch& b, std::size_t begin, std::size_t end) const {
  for (std::size_t i = begin; i < end; ++i) x = model.layers[i](std::move(x), b);
  return x;
}

template <class V>
V Llama<V>::next_logits(PackedTokens tokens, KeyValueCache<V>& cache) const {
  require(!model.prompt.defined(), "generation: a model with a prompt of virtual tokens");
  cache.layers.resize(depth());
  std::int64_t prefix = 0;
  for (std::size_t i = 0; i < depth(); ++i)  // a prefix is what the cache begins with
    if (const auto& a = model.layers[i].self_attn; a.prefix_key.defined()) {
      prefix = a.prefix_key.shape()[0];
      if (!cache.layers[i].key.defined()) cache.layers[i] = {a.prefix_key, a.prefix_value};
    }
  const Batch b(std::move(tokens), config, 0, 0, prefix + cache.tokens);
  V x = model.embed_tokens(b.ids);
  for (std::size_t i = 0; i < depth(); ++i) x = model.layers[i](x, b, &cache.layers[i]);
  cache.tokens += b.tokens.tokens();
  return linear(finish(slice(x, 0, b.tokens.tokens() - 1, b.tokens.tokens())), head());
}

template <class V>
V Llama<V>::logits(const Batch& b) const {
  return linear(finish(blocks(embed(b), b, 0, depth())), head());
}

/// The shapes of a model's leaves. `qkv_bias` as Qwen2 has.
TENZO_COMPILED Llama<Expected> llama_spec(const LlamaConfig& c);

#if TENZO_DEFINES(models)
TENZO_COMPILED Llama<Expected> llama_spec(const LlamaConfig& c) {
  const std::int64_t h = c.hidden_size, q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  const auto affine = [](std::int64_t out, std::int64_t in, bool bias) {
    Linear<Expected> l;
    l.weight = Shape{out, in};
    if (bias) l.bias = Shape{out};
    return l;
  };
  Llama<Expected> m;
  m.config = c;
  m.model.embed_tokens.weight = Shape{c.vocab_size, h};
  m.model.norm = {Shape{h}, c.rms_norm_eps};
  if (!c.tie_word_embeddings) m.lm_head = Shape{c.vocab_size, h};
  LlamaBlock<Expected> b;
  b.input_layernorm = b.post_attention_layernorm = {Shape{h}, c.rms_norm_eps};
  b.self_attn.q_proj = affine(q, h, c.qkv_bias);
  b.self_attn.k_proj = affine(kv, h, c.qkv_bias);
  b.self_attn.v_proj = affine(kv, h, c.qkv_bias);
  b.self_attn.o_proj = affine(h, q, c.output_bias);
  b.mlp.gate_proj = affine(c.intermediate_size, h, c.mlp_bias);
  b.mlp.up_proj = affine(c.intermediate_size, h, c.mlp_bias);
  b.mlp.down_proj = affine(h, c.intermediate_size, c.mlp_bias);
  m.model.layers.assign(std::size_t(c.num_hidden_layers), b);
  return m;
}
#endif

}  // namespace tenzo

#include "tenzo/models/extern.hpp"
