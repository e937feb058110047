// The tokenizer of a checkpoint's folder, whichever of the usual files it has.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/json.hpp"
#include "tenzo/io/tokenizer/json_file.hpp"
#include "tenzo/io/tokenizer/json_stages.hpp"
#include "tenzo/io/tokenizer/spm.hpp"
#include "tenzo/io/tokenizer/vocab_txt.hpp"

namespace tenzo {

namespace text::detail {

inline Json json_beside(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return Json::object();
  const auto file = MappedFile::open(path.string());
  return parse_json(characters_of(*file), path.string());
}

/// What tokenizer_config.json and special_tokens_map.json say beside the vocabulary.
class TokenizerConfig {
 public:
  TokenizerConfig(Json config, Json map) : config_(std::move(config)), map_(std::move(map)) {}
  explicit TokenizerConfig(const std::filesystem::path& folder)
      : TokenizerConfig(json_beside(folder / "tokenizer_config.json"),
                        json_beside(folder / "special_tokens_map.json")) {}

  /// A token's content: "…" or {"content": "…"}; empty where none is named.
  std::string token(const char* key) const {
    for (const Json* j : {&config_, &map_}) {
      const Json& m = member(*j, key);
      if (m.is_string()) return m.get<std::string>();
      if (m.is_object()) return text_of(m, "content");
    }
    return {};
  }
  bool flag(const char* key, bool fallback) const { return flag_of(config_, key, fallback); }
  bool is_of_class(std::string_view part) const {
    return text_of(config_, "tokenizer_class", "").find(part) != std::string::npos;
  }

  void name_special_ids(TokenizerParts& parts) const {
    const auto id = [&](const char* key) { return parts.vocabulary.id(token(key)); };
    parts.bos = id("bos_token");
    parts.eos = id("eos_token");
    parts.pad = id("pad_token");
  }

 private:
  Json config_, map_;
};

/// Byte-level BPE of vocab.json and merges.txt: GPT-2, OPT, RoBERTa.
TENZO_COMPILED TokenizerParts parts_of_merges(const TokenizerJson& file, std::string_view merges,
                                              const TokenizerConfig& config);

#if TENZO_DEFINES(json)
TENZO_COMPILED TokenizerParts parts_of_merges(const TokenizerJson& file, std::string_view merges,
                                              const TokenizerConfig& config) {
  TokenizerParts parts;
  parts.vocabulary = vocabulary_of(file, parts.added);
  Bpe bpe;
  bpe.find_bytes(parts.vocabulary);
  for_each_line(merges, [&](std::string_view line) {
    if (!line.empty() && !line.starts_with("#version")) add_merge(bpe.merges, parts.vocabulary, line);
  });
  parts.model = std::move(bpe);
  if (config.flag("add_prefix_space", false)) parts.pre_tokenizers.push_back(LeadingSpace{});
  parts.pre_tokenizers.push_back(Split{{Pattern::gpt2}});
  parts.decoders = {JoinByteLevel{}};
  const bool roberta = config.is_of_class("Roberta");
  for (const auto* key : {"bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token"}) {
    const std::string content = config.token(key);
    const int id = parts.vocabulary.id(content);
    if (id < 0) continue;
    const bool takes_left = roberta && key == std::string_view("mask_token");
    parts.added.push_back({.id = id, .content = content, .special = true, .takes_left = takes_left});
  }
  config.name_special_ids(parts);
  if ((roberta || config.flag("add_bos_token", false)) && parts.bos >= 0) parts.before = {parts.bos};
  if (roberta && parts.eos >= 0) parts.after = {parts.eos};
  return parts;
}
#endif

}  // namespace text::detail

/// The tokenizer of a folder: tokenizer.json; else vocab.json with merges.txt; else SentencePiece's spiece.model
/// or tokenizer.model; else vocab.txt. The special tokens' names come from
/// tokenizer_config.json and special_tokens_map.json. Throws FileError where there is none of them, or where one is
/// damaged.
TENZO_COMPILED Tokenizer tokenizer_from_folder(const std::string& folder);

#if TENZO_DEFINES(json)
TENZO_COMPILED Tokenizer tokenizer_from_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  namespace td = text::detail;
  const fs::path root(folder);
  const td::TokenizerConfig config(root);
  const auto has = [&](const char* name) { return fs::exists(root / name); };
  const auto path = [&](const char* name) { return (root / name).string(); };

  if (has("tokenizer.json")) {
    const auto file = MappedFile::open(path("tokenizer.json"));
    return text::reading_json(file->path(), [&] {
      TokenizerParts parts = td::parts_of(text::parse_tokenizer_json(text::characters_of(*file), true));
      config.name_special_ids(parts);
      return Tokenizer(std::move(parts));
    });
  }
  if (has("vocab.json") && has("merges.txt")) {
    const auto vocabulary = MappedFile::open(path("vocab.json")), merges = MappedFile::open(path("merges.txt"));
    const auto tokens = text::reading_json(
        vocabulary->path(), [&] { return text::parse_tokenizer_json(text::characters_of(*vocabulary), false); });
    return text::reading_json(
        merges->path(), [&] { return Tokenizer(td::parts_of_merges(tokens, text::characters_of(*merges), config)); });
  }
  for (const auto* name : {"spiece.model", "tokenizer.model"})
    if (has(name)) return tokenizer_from_spm(path(name));
  if (has("vocab.txt")) return tokenizer_from_vocab_txt(path("vocab.txt"), config.flag("do_lower_case", true));
  throw FileError(folder, -1, "has no tokenizer (tokenizer.json, vocab.json with merges.txt, *.model, vocab.txt)");
}
#endif

}  // namespace tenzo
