// config.json of OPT, GPT-2, BERT, RoBERTa and T5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/models/bert.hpp"
#include "tenzo/models/gpt2.hpp"
#include "tenzo/models/opt.hpp"
#include "tenzo/models/t5.hpp"

namespace tenzo {

namespace detail {

inline std::int64_t positive(const JsonObject& j, std::string_view key, std::optional<std::int64_t> fallback = {}) {
  const std::int64_t n = j.integer(key, fallback);
  if (n <= 0 || n >= (std::int64_t(1) << 31)) throw FileError(j.path(), -1, cat("configuration: ", key, " is ", n));
  return n;
}

/// A number of layers: a model's tree is made before its file is looked at, so they are bounded.
inline std::int64_t layers(const JsonObject& j, std::string_view key, std::optional<std::int64_t> fallback = {}) {
  const std::int64_t n = positive(j, key, fallback);
  if (n > 4096) throw FileError(j.path(), -1, cat("configuration: ", key, " is ", n, "; at most 4096"));
  return n;
}

/// The id of a token.
inline std::int64_t token(const JsonObject& j, std::string_view key, std::int64_t fallback, std::int64_t vocabulary) {
  const std::int64_t id = j.integer(key, fallback);
  if (id < 0 || id >= vocabulary)
    throw FileError(j.path(), -1, cat("configuration: ", key, " is ", id, "; there are ", vocabulary, " tokens"));
  return id;
}

/// What a norm adds to a variance.
inline double epsilon(const JsonObject& j, std::string_view key, double fallback) {
  const double eps = j.number(key, fallback);
  if (!(eps >= 0)) throw FileError(j.path(), -1, cat("configuration: ", key, " is ", eps));
  return eps;
}

inline void want(const JsonObject& j, std::string_view key, std::string_view value) {
  const std::string got = j.text(key, std::string(value));
  if (got != value) throw FileError(j.path(), -1, cat(key, " is ", printable(got), "; want ", value));
}

inline void divides(const JsonObject& j, std::int64_t heads, std::int64_t hidden) {
  if (hidden % heads != 0)
    throw FileError(j.path(), -1, cat("configuration: ", hidden, " features for ", heads, " heads"));
}

}  // namespace detail

inline OptConfig opt_config(const JsonObject& j) {
  detail::want(j, "activation_function", "relu");
  OptConfig c;
  c.vocab_size = detail::positive(j, "vocab_size");
  c.hidden_size = detail::positive(j, "hidden_size");
  c.ffn_dim = detail::positive(j, "ffn_dim");
  c.num_hidden_layers = detail::layers(j, "num_hidden_layers");
  c.num_attention_heads = detail::positive(j, "num_attention_heads");
  c.max_position_embeddings = detail::positive(j, "max_position_embeddings", 2048);
  c.word_embed_proj_dim = detail::positive(j, "word_embed_proj_dim", c.hidden_size);
  c.do_layer_norm_before = j.boolean("do_layer_norm_before", true);
  c.final_layer_norm = !j.boolean("_remove_final_layer_norm", false);
  c.tie_word_embeddings = j.boolean("tie_word_embeddings", true);
  detail::divides(j, c.num_attention_heads, c.hidden_size);
  return c;
}

inline Gpt2Config gpt2_config(const JsonObject& j) {
  detail::want(j, "activation_function", "gelu_new");
  Gpt2Config c;
  c.vocab_size = detail::positive(j, "vocab_size");
  c.n_embd = detail::positive(j, "n_embd");
  c.n_layer = detail::layers(j, "n_layer");
  c.n_head = detail::positive(j, "n_head");
  c.n_inner = detail::positive(j, "n_inner", 4 * c.n_embd);
  c.n_positions = detail::positive(j, "n_positions", 1024);
  c.layer_norm_epsilon = detail::epsilon(j, "layer_norm_epsilon", 1e-5);
  c.tie_word_embeddings = j.boolean("tie_word_embeddings", true);
  detail::divides(j, c.n_head, c.n_embd);
  return c;
}

/// Of BERT or RoBERTa, by its model_type.
inline BertConfig bert_config(const JsonObject& j) {
  detail::want(j, "hidden_act", "gelu");
  BertConfig c;
  c.vocab_size = detail::positive(j, "vocab_size");
  c.hidden_size = detail::positive(j, "hidden_size");
  c.intermediate_size = detail::positive(j, "intermediate_size");
  c.num_hidden_layers = detail::layers(j, "num_hidden_layers");
  c.num_attention_heads = detail::positive(j, "num_attention_heads");
  c.max_position_embeddings = detail::positive(j, "max_position_embeddings", 512);
  c.type_vocab_size = detail::positive(j, "type_vocab_size", 2);
  c.layer_norm_eps = detail::epsilon(j, "layer_norm_eps", 1e-12);
  if (j.text("model_type") == "roberta") {
    c.first_position = detail::token(j, "pad_token_id", 1, c.vocab_size) + 1;
    if (c.first_position >= c.max_position_embeddings)
      throw FileError(
          j.path(), -1,
          cat("configuration: positions begin at ", c.first_position, "; there are ", c.max_position_embeddings));
  }
  detail::divides(j, c.num_attention_heads, c.hidden_size);
  return c;
}

inline T5Config t5_config(const JsonObject& j) {
  detail::want(j, "feed_forward_proj", "gated-gelu");
  T5Config c;
  c.vocab_size = detail::positive(j, "vocab_size");
  c.d_model = detail::positive(j, "d_model");
  c.d_kv = detail::positive(j, "d_kv");
  c.d_ff = detail::positive(j, "d_ff");
  c.num_layers = detail::layers(j, "num_layers");
  c.num_decoder_layers = detail::layers(j, "num_decoder_layers", c.num_layers);
  c.num_heads = detail::positive(j, "num_heads");
  c.buckets = detail::positive(j, "relative_attention_num_buckets", 32);
  c.max_distance = detail::positive(j, "relative_attention_max_distance", 128);
  c.decoder_start_token_id = detail::token(j, "decoder_start_token_id", 0, c.vocab_size);
  c.layer_norm_epsilon = detail::epsilon(j, "layer_norm_epsilon", 1e-6);
  c.tie_word_embeddings = j.boolean("tie_word_embeddings", true);
  c.scale_decoder_outputs = j.boolean("scale_decoder_outputs", c.tie_word_embeddings);
  if (c.buckets < 4 || c.max_distance < c.buckets)
    throw FileError(j.path(), -1,
                    cat("configuration: ", c.buckets, " buckets for distances up to ", c.max_distance,
                        "; want 4 or more buckets, and at least as many distances"));
  return c;
}

}  // namespace tenzo
