// Adapters of the LLaMA family in the layout of the ecosystem's library peft: adapter_config.json and
// adapter_model.safetensors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/llama_export.hpp"

namespace tenzo {

namespace detail {

struct PeftTensor {
  std::string name;
  StoredTensor values;
};

/// The low-rank factors. Rows of B follow the rows of their weight.
inline std::vector<PeftTensor> peft_lora(const Llama<StoredTensor>& m) {
  std::vector<PeftTensor> out;
  const bool interleaved = m.config.rope_layout == RopeLayout::interleaved;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        const std::string name = at.str();
        if (name.find(".lora_") == std::string::npos) return;
        const bool turned = interleaved && name.ends_with("q_proj.lora_B.weight");
        out.push_back({"base_model.model." + name, turned ? halves_from_interleaved(w, m.config.head_dim) : w});
      },
      m);
  return out;
}

/// Keys and values of all layers side by side: (positions, layers 2 kv), of each layer the keys first.
///   There the tokens behind a prefix of n positions stand at n and on, here at 0 and on: the keys turn by n positions,
///   so that every query meets them at the angle that it meets them here.
inline std::vector<PeftTensor> peft_prefix(const Llama<StoredTensor>& m) {
  const LlamaConfig& c = m.config;
  const std::int64_t kv = c.num_key_value_heads * c.head_dim, width = c.num_hidden_layers * 2 * kv;
  const std::int64_t n = m.model.layers[0].self_attn.prefix_key.shape()[0];
  const RopeTable turn(std::vector<std::int64_t>(std::size_t(n), n), c.head_dim, c.rope_theta, c.rope_layout);
  const bool interleaved = c.rope_layout == RopeLayout::interleaved;
  Tensor<float> all(Shape{n, width});
  for (std::size_t layer = 0; layer < m.depth(); ++layer) {
    const LlamaAttention<StoredTensor>& a = m.model.layers[layer].self_attn;
    Tensor<float> key(Shape{n, kv}), value(Shape{n, kv});
    a.prefix_key.decode(key.data());
    a.prefix_value.decode(value.data());
    key = rope(key, turn);
    for (std::int64_t i = 0; i < n; ++i) {
      StoredTensor row(DType::f32, Shape{kv});
      row.encode(std::as_const(key).data() + i * kv);
      if (interleaved) row = halves_from_interleaved(row, c.head_dim);
      float* to = all.data() + i * width + std::int64_t(layer) * 2 * kv;
      row.decode(to);
      std::copy_n(std::as_const(value).data() + i * kv, kv, to + kv);
    }
  }
  return {{"prompt_embeddings", StoredTensor::from(all)}};
}

/// adapter_config.json.
inline nlohmann::ordered_json peft_config(const Llama<StoredTensor>& m, const AdapterOptions& o,
                                          const std::string& base) {
  const LlamaConfig& c = m.config;
  nlohmann::ordered_json j = {
      {"task_type", "CAUSAL_LM"}, {"base_model_name_or_path", base}, {"inference_mode", true}, {"revision", nullptr}};
  if (o.scheme == Scheme::lora) {
    j["peft_type"] = "LORA";
    j["r"] = o.rank;
    j["lora_alpha"] = o.alpha;
    if (o.alpha == double(std::int64_t(o.alpha))) j["lora_alpha"] = std::int64_t(o.alpha);
    j["lora_dropout"] = 0.0;
    j["target_modules"] = {"q_proj", "v_proj"};
    j["bias"] = "none";
    j["fan_in_fan_out"] = false;
    if (const std::size_t last = std::min(o.last_layer, m.depth()); o.first_layer > 0 || last < m.depth()) {
      std::vector<std::size_t> layers;
      for (std::size_t i = o.first_layer; i < last; ++i) layers.push_back(i);
      j["layers_to_transform"] = layers;
      j["layers_pattern"] = "layers";
    }
    return j;
  }
  const bool prefix = o.scheme == Scheme::prefix;
  j["peft_type"] = prefix ? "PREFIX_TUNING" : "PROMPT_TUNING";
  j["num_virtual_tokens"] = prefix ? o.prefix : o.prompt;
  j["token_dim"] = prefix ? c.num_key_value_heads * c.head_dim : c.hidden_size;
  j["num_transformer_submodules"] = 1;
  j["num_attention_heads"] = prefix ? c.num_key_value_heads : c.num_attention_heads;
  j["num_layers"] = c.num_hidden_layers;
  if (prefix) {
    j["encoder_hidden_size"] = c.num_key_value_heads * c.head_dim;
    j["prefix_projection"] = false;
  } else {
    j["prompt_tuning_init"] = "RANDOM";
  }
  return j;
}

}  // namespace detail

/// Throws ValueError for adapters that the layout has no place for.
inline void check_peft(const AdapterOptions& o, std::size_t depth) {
  require(o.scheme == Scheme::lora || o.scheme == Scheme::prompt || o.scheme == Scheme::prefix,
          "a model tuned in full or in its head has no adapter to save; want the scheme lora, prefix or prompt");
  require(o.scheme != Scheme::prefix || (o.first_layer == 0 && o.last_layer >= depth),
          "a prefix of some layers only has no place in peft's layout");
}

/// Writes the adapter that a model carries into a folder, which is made. `base` is the name or path of the model that
/// the adapter belongs to.
///   Throws ValueError for adapters that the layout has no place for, FileError where writing fails.
TENZO_COMPILED void write_peft_adapter(const std::string& folder, const Llama<StoredTensor>& m, const AdapterOptions& o,
                                       const std::string& base);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED void write_peft_adapter(const std::string& folder, const Llama<StoredTensor>& m, const AdapterOptions& o,
                                       const std::string& base) {
  check_peft(o, m.depth());
  std::vector<detail::PeftTensor> tensors;
  if (o.scheme == Scheme::lora) tensors = detail::peft_lora(m);
  else if (o.scheme == Scheme::prefix) tensors = detail::peft_prefix(m);
  else tensors = {{"prompt_embeddings", m.model.prompt}};
  std::vector<TensorSpec> specs;
  for (const detail::PeftTensor& t : tensors) specs.push_back({t.name, DType::f32, t.values.shape()});
  std::filesystem::create_directories(folder);
  const std::filesystem::path to(folder);
  write_safetensors((to / "adapter_model.safetensors").string(), {{"format", "pt"}}, specs,
                    [&](std::size_t i) { return tensors[i].values; });
  write_file((to / "adapter_config.json").string(), detail::peft_config(m, o, base).dump(2) + "\n");
}
#endif

}  // namespace tenzo
