// The LLaMA family written as the ecosystem keeps it: safetensors under its names, config.json, and a tokenizer.json
// made from the lists of a GGUF file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/io/tokenizer/gguf_export.hpp"
#include "tenzo/models/llama.hpp"
#include "tenzo/tree/stored.hpp"

namespace tenzo {

namespace detail {

/// Rows of W_q or W_k, or elements of their biases, in the other layout.
inline StoredTensor with_rows_turned(const StoredTensor& w, std::int64_t head_dim, bool to_halves) {
  StoredTensor out(w.dtype(), w.shape());
  const bool vector = w.shape().rank() == 1;
  const std::int64_t n = vector ? w.cols() : w.rows(), half = head_dim / 2,
                     bytes = vector ? w.row_bytes() / std::max<std::int64_t>(1, n) : w.row_bytes();
  for (std::int64_t r = 0; r < n; ++r) {
    const std::int64_t k = r % head_dim, other = r - k + 2 * (k % half) + k / half;
    std::memcpy(out.writable_bytes().data() + (to_halves ? r : other) * bytes,
                w.bytes().data() + (to_halves ? other : r) * bytes, std::size_t(bytes));
  }
  return out;
}

}  // namespace detail

/// Rows of W_q or W_k from the interleaved layout to that of halves: row (head, j d/2 + i) is row (head, 2 i + j)
/// there.
inline StoredTensor halves_from_interleaved(const StoredTensor& w, std::int64_t head_dim) {
  return detail::with_rows_turned(w, head_dim, true);
}
/// The other way.
inline StoredTensor interleaved_from_halves(const StoredTensor& w, std::int64_t head_dim) {
  return detail::with_rows_turned(w, head_dim, false);
}

/// The model's leaves under the ecosystem's names, as `type` (vectors too), written one at a time.
TENZO_COMPILED void write_llama_safetensors(const std::string& path, const Llama<StoredTensor>& m, DType type);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED void write_llama_safetensors(const std::string& path, const Llama<StoredTensor>& m, DType type) {
  std::vector<TensorSpec> specs;
  std::vector<StoredTensor> tensors;
  for_each_leaf(
      [&](const Path& at, const StoredTensor& w) {
        specs.push_back({at.str(), type, w.shape()});
        tensors.push_back(w);
      },
      m);
  const bool interleaved = m.config.rope_layout == RopeLayout::interleaved;
  write_safetensors(path, {{"format", "pt"}}, specs, [&](std::size_t i) {
    const std::string& name = specs[i].name;
    const bool turned = name.find("q_proj.") != std::string::npos || name.find("k_proj.") != std::string::npos;
    return interleaved && turned ? halves_from_interleaved(tensors[i], m.config.head_dim) : tensors[i];
  });
}
#endif

/// config.json of a model.
TENZO_COMPILED nlohmann::ordered_json llama_config_json(const LlamaConfig& c, DType type, int bos, int eos);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED nlohmann::ordered_json llama_config_json(const LlamaConfig& c, DType type, int bos, int eos) {
  const bool qwen = c.qkv_bias && !c.output_bias, mistral = c.sliding_window > 0 && !qwen;
  nlohmann::ordered_json j;
  j["architectures"] = {qwen ? "Qwen2ForCausalLM" : mistral ? "MistralForCausalLM" : "LlamaForCausalLM"};
  j["model_type"] = qwen ? "qwen2" : mistral ? "mistral" : "llama";
  j["vocab_size"] = c.vocab_size;
  j["hidden_size"] = c.hidden_size;
  j["intermediate_size"] = c.intermediate_size;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_key_value_heads"] = c.num_key_value_heads;
  j["head_dim"] = c.head_dim;
  j["hidden_act"] = "silu";
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["rope_theta"] = c.rope_theta;
  j["rope_parameters"] = {{"rope_theta", c.rope_theta}, {"rope_type", "default"}};
  j["attention_bias"] = c.qkv_bias;
  j["mlp_bias"] = c.mlp_bias;
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  if (c.sliding_window > 0) j["sliding_window"] = c.sliding_window;
  if (bos >= 0) j["bos_token_id"] = bos;
  if (eos >= 0) j["eos_token_id"] = eos;
  j["torch_dtype"] = type == DType::f16 ? "float16" : type == DType::bf16 ? "bfloat16" : "float32";
  return j;
}
#endif

/// tokenizer.json of a byte-level BPE vocabulary from a GGUF file's lists.
///   Throws FileError for another kind of vocabulary, or a pre-tokenizer without a known form there.
TENZO_COMPILED nlohmann::ordered_json bpe_tokenizer_json(const GgufFile& file);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED nlohmann::ordered_json bpe_tokenizer_json(const GgufFile& file) {
  using Json = nlohmann::ordered_json;
  if (const std::string kind = file.text("tokenizer.ggml.model"); kind != "gpt2")
    throw FileError(file.path(), -1,
                    cat("a vocabulary of the kind ", printable(kind), " is not written as tokenizer.json"));
  const std::string pre = file.text("tokenizer.ggml.pre", std::string("gpt2"));
  const Json split = detail::pre_tokenizer_json(pre == "default" ? "gpt2" : pre);
  if (split.is_null())
    throw FileError(file.path(), -1, cat("the pre-tokenizer ", printable(pre), " is not written as tokenizer.json"));
  Json vocab = Json::object(), added = Json::array();
  const auto tokens = file.texts("tokenizer.ggml.tokens");
  std::vector<std::int64_t> types(tokens.size(), 1);
  if (const GgufValue* t = file.metadata().find("tokenizer.ggml.token_type")) {
    std::size_t i = 0;
    t->for_each([&](const GgufValue& v) {
      if (i < types.size()) types[i] = v.integer();
      ++i;
    });
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    vocab[std::string(tokens[i])] = i;
    if (types[i] == 3 || types[i] == 4)  // control and user-defined tokens stand outside the merges
      added.push_back({{"id", i},
                       {"content", tokens[i]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", types[i] == 3}});
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", split},
          {"post_processor", nullptr},
          {"decoder", detail::pre_tokenizer_json("gpt2")},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"ignore_merges", pre == "llama-bpe"},
            {"vocab", std::move(vocab)},
            {"merges", file.texts("tokenizer.ggml.merges")}}}};
}
#endif

}  // namespace tenzo
