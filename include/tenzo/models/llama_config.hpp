// config.json of the LLaMA family, in both generations of its keys.
#pragma once

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/models/llama.hpp"

namespace tenzo {

/// The configuration of a LLaMA, Mistral or Qwen2 model.
///   Throws FileError where a key is missing or wrong, for another architecture, or for what is not built (scaled
///   rotary angles, other activations).
TENZO_COMPILED LlamaConfig llama_config(const JsonObject& j);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED LlamaConfig llama_config(const JsonObject& j) {
  const std::string type = j.text("model_type");
  if (type != "llama" && type != "mistral" && type != "qwen2")
    throw FileError(j.path(), -1, cat("model_type is ", printable(type), "; want llama, mistral or qwen2"));
  if (const std::string act = j.text("hidden_act", "silu"); act != "silu")
    throw FileError(j.path(), -1, cat("hidden_act is ", printable(act), "; want silu"));
  LlamaConfig c;
  c.vocab_size = j.integer("vocab_size");
  c.hidden_size = j.integer("hidden_size");
  c.intermediate_size = j.integer("intermediate_size");
  c.num_hidden_layers = j.integer("num_hidden_layers");
  c.num_attention_heads = j.integer("num_attention_heads");
  c.num_key_value_heads = j.integer("num_key_value_heads", c.num_attention_heads);
  c.head_dim = j.integer("head_dim", c.num_attention_heads > 0 ? c.hidden_size / c.num_attention_heads : 0);
  c.max_position_embeddings = j.integer("max_position_embeddings", 2048);
  c.rms_norm_eps = j.number("rms_norm_eps", 1e-6);
  c.tie_word_embeddings = j.boolean("tie_word_embeddings", false);
  c.qkv_bias = j.boolean("attention_bias", type == "qwen2");
  c.output_bias = j.boolean("attention_bias", false);
  c.mlp_bias = j.boolean("mlp_bias", false);
  const bool windowed = type == "mistral" || (type == "qwen2" && j.boolean("use_sliding_window", false));
  c.sliding_window = windowed ? j.integer("sliding_window", 0) : 0;

  const JsonObject rope = j.object("rope_parameters"), scaling = j.object("rope_scaling");
  c.rope_theta = rope.number("rope_theta", j.number("rope_theta", 10000.0));
  const std::string kind = rope.text("rope_type", scaling.text("rope_type", scaling.text("type", "default")));
  if (kind != "default")
    throw FileError(j.path(), -1, cat("rotary angles of type ", printable(kind), " are not built; want default"));
  check_config(c, j.path());
  return c;
}
#endif

}  // namespace tenzo
