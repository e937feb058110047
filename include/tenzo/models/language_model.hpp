// A language model with its tokenizer, from a GGUF file or from a folder as the ecosystem keeps it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/model_hash.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/tokenizer/gguf.hpp"
#include "tenzo/io/tokenizer/json.hpp"
#include "tenzo/models/llama_config.hpp"
#include "tenzo/models/llama_gguf.hpp"

namespace tenzo {

/// How the weights are held in memory: as floats, as bfloat16, or as they lie in the file.
enum class WeightFormat { f32, bf16, file };

inline WeightFormat weight_format(std::string_view name) {
  if (name == "f32") return WeightFormat::f32;
  if (name == "bf16") return WeightFormat::bf16;
  require(name == "file", "unknown weight format '", name, "'; want f32, bf16 or file");
  return WeightFormat::file;
}

struct LanguageModel {
  std::string path;
  Llama<StoredTensor> model;
  Tokenizer tokenizer;
  std::uint64_t hash = 0;                // of the tensors in the file: what a replay log belongs to
  std::shared_ptr<const GgufFile> gguf;  // where it came from: one of the two
  std::shared_ptr<const JsonObject> config;

  bool is_gguf() const { return gguf != nullptr; }
};

namespace detail {

/// A stored tensor in another format; the bytes that were read are let go of.
template <class Release>
StoredTensor held_as(const StoredTensor& t, WeightFormat format, Release&& release) {
  if (format == WeightFormat::file) return t;
  // Vectors are small and sensitive: they stay floats.
  const DType type = format == WeightFormat::bf16 && t.shape().rank() > 1 ? DType::bf16 : DType::f32;
  StoredTensor out(type, t.shape());
  out.assign(t);
  release(t.bytes());
  return out;
}

}  // namespace detail

/// Loads a model: a `.gguf` file, or a folder with config.json, model.safetensors (or shards) and tokenizer.json.
///   Memory  the weights once, in the format asked for; pages of the file are let go of as they have been read.
///   Throws  FileError.
TENZO_COMPILED LanguageModel load_language_model(const std::string& path, WeightFormat format);

#if TENZO_DEFINES(checkpoints)
TENZO_COMPILED LanguageModel load_language_model(const std::string& path, WeightFormat format) {
  LanguageModel m;
  m.path = path;
  std::error_code ignored;
  const auto load = [&](const auto& file, const Llama<StoredTensor>& stored) {
    m.hash = model_hash(file.tensors(), [&](std::span<const std::byte> part) { file.release(part); });
    m.model = map_tree<StoredTensor>(stored, [&](const StoredTensor& t) {
      return detail::held_as(t, format, [&](std::span<const std::byte> part) { file.release(part); });
    });
  };
  if (std::filesystem::is_directory(path, ignored)) {
    const std::filesystem::path folder(path);
    m.config = std::make_shared<const JsonObject>(JsonObject::open((folder / "config.json").string()));
    const LlamaConfig config = llama_config(*m.config);
    const SafetensorsFile file = SafetensorsFile::open(path);
    load(file, load_tree<Llama>(
                   llama_spec(config), [&](const std::string& leaf) { return file.tensors().find(leaf); }, path));
    m.tokenizer = tokenizer_from_json((folder / "tokenizer.json").string());
  } else {
    m.gguf = std::make_shared<const GgufFile>(GgufFile::open(path));
    load(*m.gguf, load_llama(*m.gguf));
    m.tokenizer = tokenizer_from_gguf(*m.gguf);
  }
  if (m.tokenizer.size() > m.model.config.vocab_size)
    throw FileError(path, -1,
                    cat("the tokenizer has ", m.tokenizer.size(), " tokens, the model ", m.model.config.vocab_size));
  return m;
}
#endif

}  // namespace tenzo
