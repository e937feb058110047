// The LLaMA family in GGUF files: configuration and weights under llama.cpp's names.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/models/llama.hpp"

namespace tenzo {

namespace detail {

/// Names of the parts of a block: ours, and those behind "blk.N." there.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 9> llama_gguf_parts = {{
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
}};

}  // namespace detail

/// The name in a GGUF file of a leaf of `Llama`; empty where the format has none.
inline std::string llama_gguf_name(std::string_view leaf) {
  if (leaf == "model.embed_tokens.weight") return "token_embd.weight";
  if (leaf == "model.norm.weight") return "output_norm.weight";
  if (leaf == "lm_head.weight") return "output.weight";
  constexpr std::string_view layers = "model.layers.";
  if (!leaf.starts_with(layers)) return {};
  leaf.remove_prefix(layers.size());
  const std::size_t dot = leaf.find('.'), last = leaf.rfind('.');
  if (dot == std::string_view::npos || last <= dot) return {};
  const std::string_view number = leaf.substr(0, dot), part = leaf.substr(dot + 1, last - dot - 1),
                         kind = leaf.substr(last);
  for (const auto& [ours, theirs] : detail::llama_gguf_parts)
    if (part == ours) return cat("blk.", number, ".", theirs, kind);
  return {};
}

/// The configuration that a GGUF file states. Throws FileError where it is of another family, or incomplete.
TENZO_COMPILED LlamaConfig llama_config(const GgufFile& file);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED LlamaConfig llama_config(const GgufFile& file) {
  const std::string arch = file.text("general.architecture");
  if (arch != "llama" && arch != "qwen2" && arch != "mistral")
    throw FileError(file.path(), -1,
                    cat("holds a model of the architecture ", printable(arch), "; want llama, mistral or qwen2"));
  const auto key = [&](std::string_view name) { return cat(arch, ".", name); };
  const auto size = [&](std::string_view name) {
    const std::int64_t n = file.integer(key(name));
    if (n <= 0 || n > (std::int64_t(1) << 32)) throw FileError(file.path(), -1, cat("key '", key(name), "' is ", n));
    return n;
  };
  LlamaConfig c;
  c.hidden_size = size("embedding_length");
  c.intermediate_size = size("feed_forward_length");
  c.num_hidden_layers = size("block_count");
  c.num_attention_heads = size("attention.head_count");
  c.num_key_value_heads = file.integer(key("attention.head_count_kv"), c.num_attention_heads);
  c.head_dim = file.integer(key("attention.key_length"), c.hidden_size / c.num_attention_heads);
  c.max_position_embeddings = size("context_length");
  c.sliding_window = file.integer(key("attention.sliding_window"), 0);
  c.rope_theta = file.number(key("rope.freq_base"), 10000.0);
  c.rms_norm_eps = file.number(key("attention.layer_norm_rms_epsilon"));
  c.rope_layout = arch == "qwen2" ? RopeLayout::half : RopeLayout::interleaved;
  c.vocab_size = file.tensor("token_embd.weight").shape()[0];
  c.tie_word_embeddings = file.tensors().find("output.weight") == nullptr;
  c.qkv_bias = file.tensors().find("blk.0.attn_q.bias") != nullptr;
  check_config(c, file.path());
  return c;
}
#endif

/// The model as it lies in the file: views into the mapping.
TENZO_COMPILED Llama<StoredTensor> load_llama(const GgufFile& file);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED Llama<StoredTensor> load_llama(const GgufFile& file) {
  return load_tree<Llama>(
      llama_spec(llama_config(file)),
      [&](const std::string& leaf) { return file.tensors().find(llama_gguf_name(leaf)); }, file.path());
}
#endif

}  // namespace tenzo
