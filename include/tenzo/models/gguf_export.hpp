// The LLaMA family written as a GGUF file from nothing but the model: what a folder's model becomes there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/models/llama_export.hpp"
#include "tenzo/models/llama_gguf.hpp"

namespace tenzo {

/// Keys of a model's architecture. Matrices will be of the format `type`.
///   Throws ValueError for biases that the field's programs do not read.
TENZO_COMPILED GgufMetadata llama_gguf_keys(const LlamaConfig& c, const std::string& name, DType type);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED GgufMetadata llama_gguf_keys(const LlamaConfig& c, const std::string& name, DType type) {
  require(!c.output_bias && !c.mlp_bias, "gguf: a model with biases behind its attention or in its MLP is not written");
  const std::string arch = c.qkv_bias ? "qwen2" : "llama";
  GgufMetadata m;
  m.append("general.architecture", arch);
  m.append("general.type", "model");
  m.append("general.name", name);
  m.append("general.file_type", gguf_file_type(type));
  m.append("general.quantization_version", std::uint32_t(2));
  const auto size = [&](std::string_view key, std::int64_t n) { m.append(cat(arch, ".", key), std::uint32_t(n)); };
  size("vocab_size", c.vocab_size);
  size("context_length", c.max_position_embeddings);
  size("embedding_length", c.hidden_size);
  size("block_count", c.num_hidden_layers);
  size("feed_forward_length", c.intermediate_size);
  size("rope.dimension_count", c.head_dim);
  size("attention.head_count", c.num_attention_heads);
  size("attention.head_count_kv", c.num_key_value_heads);
  size("attention.key_length", c.head_dim);
  size("attention.value_length", c.head_dim);
  if (c.sliding_window > 0) size("attention.sliding_window", c.sliding_window);
  m.append(arch + ".rope.freq_base", float(c.rope_theta));
  m.append(arch + ".attention.layer_norm_rms_epsilon", float(c.rms_norm_eps));
  return m;
}
#endif

/// The tensors of a GGUF file: descriptions of what is written, and what it is made of.
struct GgufTensors {
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
};

/// A model's tensors under their names in a GGUF file, matrices in the format `type`.
///   Throws ValueError for one that has no name there, as an adapter's.
inline GgufTensors llama_gguf_tensors(const Llama<StoredTensor>& m, DType type) {
  GgufTensors out;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        const std::string name = llama_gguf_name(at.str());
        require(!name.empty(), "'", at.str(), "' has no place in a GGUF file");
        out.specs.push_back({name, gguf_dtype(type, w.shape()), w.shape()});
        out.tensors.push_back(w);
      },
      m);
  return out;
}

/// Writes a model of the layout of halves with its keys and those of its tokenizer. In the architecture `llama` of GGUF
/// files the rows of W_q and W_k are interleaved; in `qwen2` they are not.
TENZO_COMPILED void write_llama_gguf(const std::string& path, const Llama<StoredTensor>& m, GgufMetadata keys,
                                     DType type);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED void write_llama_gguf(const std::string& path, const Llama<StoredTensor>& m, GgufMetadata keys,
                                     DType type) {
  const GgufTensors file = llama_gguf_tensors(m, type);
  const bool turns = m.config.rope_layout == RopeLayout::half && !m.config.qkv_bias;
  write_gguf(path, keys, file.specs, [&](std::size_t i) {
    const std::string& name = file.specs[i].name;
    const bool turned = name.find(".attn_q.") != std::string::npos || name.find(".attn_k.") != std::string::npos;
    return turns && turned ? interleaved_from_halves(file.tensors[i], m.config.head_dim) : file.tensors[i];
  });
}
#endif

}  // namespace tenzo
