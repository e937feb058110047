#include "files.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "tenzo/core/hash.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/device_option.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/models/gguf_export.hpp"
#include "tenzo/models/llama_config.hpp"
#include "tenzo/zo/log.hpp"

namespace zo_llm {

using namespace tenzo;

#ifndef TENZO_DATA_DIR
#ifdef TENZO_SOURCE_DIR
#define TENZO_DATA_DIR TENZO_SOURCE_DIR "/data"
#else
#define TENZO_DATA_DIR "data"
#endif
#endif

std::string fetched_model() {
  if (const char* path = std::getenv("TENZO_SMOLLM2"); path && *path) return path;
  return TENZO_DATA_DIR "/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
}
std::string fetched_reviews() { return TENZO_DATA_DIR "/snippets/movieReviewSnippets_GroundTruth.txt"; }

void apply_machine_options(const Common& o) {
  device_named(o.device);
  if (o.threads > 0) set_threads(o.threads);
  Pool::instance().set_excess(std::size_t(4) << 20);
}

EncodedTask load_task(const Common& o, const LanguageModel& m, const SplitOptions& split) {
  const Task& task = Task::named(o.task);
  EncodedTask out;
  out.loss = task.loss;
  out.texts = read_task(task, o.data, split);
  const auto tokens = [&](const std::vector<TextExample>& from) {
    std::vector<EncodedExample> to;
    for (const TextExample& e : from) to.push_back(encode(m.tokenizer, e, m.model.config.max_position_embeddings));
    return to;
  };
  out.train = tokens(out.texts.train);
  out.dev = tokens(out.texts.dev);
  out.test = tokens(out.texts.test);
  return out;
}

std::uint64_t fingerprint(const EncodedTask& task) {
  Hash64 h;
  for (const auto* part : {&task.train, &task.dev, &task.test}) {
    h.update(std::uint64_t(part->size()));
    for (const EncodedExample& e : *part) {
      h.update(std::as_bytes(std::span(e.prompt)));
      h.update(e.label);
    }
  }
  return h.value();
}

namespace {

DType type_named(const std::string& name) {
  for (const DType t : {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::q4_1})
    if (dtype_name(t) == name) return t;
  throw ValueError(cat("unknown type '", name, "' to save as; want f32, f16, bf16, q8_0, q4_0 or q4_1"));
}

void save_gguf(const LanguageModel& base, const Model& model, const std::string& path, DType type) {
  GgufMetadata metadata = base.gguf->metadata();
  metadata.set("general.file_type", GgufValue(gguf_file_type(type)));
  GgufTensors file = llama_gguf_tensors(model, type);
  for (const auto& [name, tensor] : base.gguf->tensors()) {  // what the model does not know goes along
    if (std::any_of(file.specs.begin(), file.specs.end(), [&](const TensorSpec& s) { return s.name == name; }))
      continue;
    file.specs.push_back({name, tensor.dtype(), tensor.shape()});
    file.tensors.push_back(tensor);
  }
  write_gguf(path, metadata, file.specs, [&](std::size_t i) { return file.tensors[i]; });
}

/// A special token's id as config.json has it: a number, or a list of them; −1 where there is none.
int special_id(const JsonObject& config, const char* key) {
  if (!config.has(key)) return -1;
  const nlohmann::json& j = *config.value().find(key);
  const nlohmann::json& id = j.is_array() && !j.empty() ? j.front() : j;
  return id.is_number_integer() && id >= 0 && id <= INT32_MAX ? id.get<int>() : -1;
}

/// All keys of the GGUF file that a folder's model becomes.
GgufMetadata folder_gguf_keys(const std::string& folder, const JsonObject& config, DType type) {
  const LlamaConfig c = llama_config(config);
  const std::filesystem::path at(folder);
  GgufMetadata keys = llama_gguf_keys(c, std::filesystem::canonical(at).filename().string(), type);
  for (const auto& [key, value] :
       gguf_tokenizer_keys((at / "tokenizer.json").string(), c.vocab_size, special_id(config, "bos_token_id"),
                           special_id(config, "eos_token_id")))
    keys.append(key, value);
  return keys;
}

}  // namespace

void check_save(const std::string& model, const std::string& path, const std::string& type) {
  const DType t = type_named(type);
  if (path.empty()) return;
  require(path.ends_with(".gguf") || t == DType::f32 || t == DType::f16 || t == DType::bf16, "--save-type ", type,
          " is written to GGUF files only");
  std::error_code ignored;
  if (path.ends_with(".gguf") || path.ends_with(".safetensors")) {
    check_file(path);
    if (path.ends_with(".gguf") && std::filesystem::is_directory(model, ignored))
      folder_gguf_keys(model, JsonObject::open((std::filesystem::path(model) / "config.json").string()), t);
  } else {
    if (std::filesystem::is_regular_file(path, ignored))
      throw FileError(path, -1, "is neither .gguf, .safetensors nor a folder");
    check_folder(path, {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"});
    if (!std::filesystem::is_directory(model, ignored)) bpe_tokenizer_json(GgufFile::open(model));
  }
}

void check_merges(Scheme scheme) {
  require(scheme != Scheme::prefix && scheme != Scheme::prompt,
          "--save: a prefix or a prompt can not be folded into the ", "weights; --save-adapter DIR keeps it");
}

void check_log(const std::string& path) {
  if (path.empty()) return;
  for (const std::string& file : {path, unfinished_log(path)}) {
    check_file(file);
    std::error_code none;
    if (const auto bytes = std::filesystem::file_size(file, none); none || bytes == 0) continue;
    try {
      zo::Log::read(file);
    } catch (const FileError& e) {
      throw FileError(file, e.offset, cat(e.reason, "; --log does not write over it"));
    }
  }
}

void save_model(const LanguageModel& base, const Model& model, const std::string& path, const std::string& type) {
  const DType t = type_named(type);
  if (path.ends_with(".gguf")) {
    if (base.is_gguf()) return save_gguf(base, model, path, t);
    return write_llama_gguf(path, model, folder_gguf_keys(base.path, *base.config, t), t);
  }
  if (path.ends_with(".safetensors")) return write_llama_safetensors(path, model, t);
  const std::filesystem::path folder(path);
  std::filesystem::create_directories(folder);
  LlamaConfig config = model.config;
  config.tie_word_embeddings = !model.lm_head.defined();
  write_llama_safetensors((folder / "model.safetensors").string(), model, t);
  const int bos = base.is_gguf() ? base.tokenizer.bos() : special_id(*base.config, "bos_token_id"),
            eos = base.is_gguf() ? base.tokenizer.eos() : special_id(*base.config, "eos_token_id");
  write_file((folder / "config.json").string(), llama_config_json(config, t, bos, eos).dump(2) + "\n");
  if (base.is_gguf()) {
    write_file((folder / "tokenizer.json").string(), bpe_tokenizer_json(*base.gguf).dump() + "\n");
    const auto token = [&](int id) {
      return id < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(base.tokenizer.token(id));
    };
    const nlohmann::ordered_json settings = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                             {"model_max_length", config.max_position_embeddings},
                                             {"bos_token", token(base.tokenizer.bos())},
                                             {"eos_token", token(base.tokenizer.eos())},
                                             {"clean_up_tokenization_spaces", false}};
    write_file((folder / "tokenizer_config.json").string(), settings.dump(2) + "\n");
    return;
  }
  for (const auto& entry :
       std::filesystem::directory_iterator(base.path)) {  // the tokenizer's files go along as they are
    const std::string name = entry.path().filename().string();
    const bool tokenizer = name.starts_with("tokenizer") || name.starts_with("special_tokens") ||
                           name.starts_with("vocab") || name == "merges.txt" || name == "generation_config.json";
    if (entry.is_regular_file() && tokenizer && !std::filesystem::equivalent(base.path, folder))
      write_file((folder / name).string(), tenzo::detail::read_text(entry.path().string()));
  }
}

}  // namespace zo_llm
