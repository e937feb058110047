// Byte-level BPE vocabularies from one file format to the other: tokenizer.json, and the lists of GGUF metadata.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/gguf_value.hpp"
#include "tenzo/io/mapped_file.hpp"

#if TENZO_DEFINES(json)
#include "tenzo/io/tokenizer/json.hpp"
#include "tenzo/io/tokenizer/json_file.hpp"
#include "tenzo/io/tokenizer/lists.hpp"
#endif

namespace tenzo {

namespace detail {

/// The form in tokenizer.json of a pre-tokenizer's name; null for one that is not in the list.
TENZO_COMPILED nlohmann::ordered_json pre_tokenizer_json(std::string_view name);

#if TENZO_DEFINES(json)
/// Pre-tokenizers that both formats know, by their name in GGUF files.
inline constexpr std::array<std::string_view, 4> exported_pre_tokenizers = {"gpt2", "smollm", "llama-bpe", "qwen2"};

TENZO_COMPILED nlohmann::ordered_json pre_tokenizer_json(std::string_view name) {
  nlohmann::ordered_json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  if (name == "gpt2") return byte_level;
  if (name == "smollm")
    return {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, byte_level}}};
  if (name != "llama-bpe" && name != "qwen2") return nullptr;
  byte_level["use_regex"] = false;
  const std::string digits = name == "qwen2" ? "\\p{N}" : "\\p{N}{1,3}";
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern",
              {{"Regex", cat("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|", digits,
                             "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            byte_level}}};
}

/// A pre-tokenizer of tokenizer.json in one line, with what decides the pieces: equal lines cut texts in the same way.
inline std::string told_pre_tokenizer(const nlohmann::json& j) {
  if (!j.is_object()) return "";
  const std::string type = j.value("type", "");
  std::string s = type;
  if (type == "Sequence" && j.contains("pretokenizers"))
    for (const auto& part : j["pretokenizers"]) s += " " + told_pre_tokenizer(part);
  else if (type == "ByteLevel") s += cat("(", j.value("use_regex", true), j.value("add_prefix_space", true), ")");
  else if (type == "Digits") s += cat("(", j.value("individual_digits", false), ")");
  else if (j.contains("pattern"))
    s += cat("(", j["pattern"].dump(), j.value("behavior", ""), j.value("invert", false), ")");
  return s;
}
#endif

}  // namespace detail

/// The keys tokenizer.ggml.* of a byte-level BPE vocabulary from its tokenizer.json; `tokens` is the number of rows
/// that the model has for them (those without a token are named as unused), `bos` and `eos` are −1 where there is none.
///   Throws FileError for another kind of vocabulary, and for what the lists of a GGUF file can not say.
TENZO_COMPILED GgufMetadata gguf_tokenizer_keys(const std::string& path, std::int64_t tokens, int bos, int eos);

#if TENZO_DEFINES(json)
TENZO_COMPILED GgufMetadata gguf_tokenizer_keys(const std::string& path, std::int64_t tokens, int bos, int eos) {
  const auto bytes = MappedFile::open(path);
  return text::reading_json(path, [&] {
    const text::TokenizerJson file = text::parse_tokenizer_json(text::characters_of(*bytes), true);
    const text::Json &model = text::detail::member(file.tree, "model"),
                     &pre = text::detail::member(file.tree, "pre_tokenizer"),
                     &normalizer = text::detail::member(file.tree, "normalizer");
    const std::string type = text::detail::type_of_model(file, model), told = detail::told_pre_tokenizer(pre);
    require(type == "BPE" && told.find("ByteLevel") != std::string::npos, "is no byte-level BPE but ", type,
            ": only that is written to GGUF files");
    const auto* name = std::find_if(
        detail::exported_pre_tokenizers.begin(), detail::exported_pre_tokenizers.end(), [&](std::string_view n) {
          return detail::told_pre_tokenizer(nlohmann::json(detail::pre_tokenizer_json(n))) == told;
        });
    require(name != detail::exported_pre_tokenizers.end(), "the pre-tokenizer ", printable(told),
            " has no name in GGUF files");
    require(normalizer.is_null() || (*name == "qwen2" && normalizer.value("type", "") == "NFC"),
            "has a normalizer, which GGUF files do not name");
    require(model.value("ignore_merges", false) == (*name == "llama-bpe"), "\"ignore_merges\" is ",
            model.value("ignore_merges", false), ", which the pre-tokenizer ", *name, " of a GGUF file does not mean");

    std::vector<text::AddedToken> added =
        text::detail::listed_added_tokens(text::detail::member(file.tree, "added_tokens"));
    const text::Vocabulary vocabulary = text::detail::vocabulary_of(file, added);
    require(vocabulary.size() <= tokens, "has ", vocabulary.size(), " tokens, the model ", tokens);
    std::vector<std::string> names;
    std::vector<std::int32_t> types;
    for (int id = 0; id < tokens; ++id) {
      const std::string_view token = id < vocabulary.size() ? vocabulary.token(id) : std::string_view();
      names.push_back(token.empty() ? cat("[PAD", id, "]") : std::string(token));
      types.push_back(token.empty() ? TokenizerLists::unused : TokenizerLists::normal);
    }
    for (const text::AddedToken& t : added)
      types[std::size_t(t.id)] = t.special ? TokenizerLists::control : TokenizerLists::user_defined;
    std::vector<std::string> merges;
    for (const auto& m : file.merges) merges.push_back(cat(file.left(m), " ", file.right(m)));

    const std::vector<int> around = Tokenizer(text::detail::parts_of(file)).encode("", true);
    require(around.size() <= 1 && (around.empty() || bos < 0 || around[0] == bos), "puts ", around.size(),
            " tokens around a text; GGUF files say it of the first one only");
    if (!around.empty()) bos = around[0];
    GgufMetadata keys;
    keys.append("tokenizer.ggml.model", "gpt2");
    keys.append("tokenizer.ggml.pre", *name);
    keys.append("tokenizer.ggml.tokens", GgufValue::array(names));
    keys.append("tokenizer.ggml.token_type", GgufValue::array(types));
    keys.append("tokenizer.ggml.merges", GgufValue::array(merges));
    if (bos >= 0) keys.append("tokenizer.ggml.bos_token_id", GgufValue(std::uint32_t(bos)));
    if (eos >= 0) keys.append("tokenizer.ggml.eos_token_id", GgufValue(std::uint32_t(eos)));
    keys.append("tokenizer.ggml.add_bos_token", GgufValue(!around.empty()));
    return keys;
  });
}
#endif

}  // namespace tenzo
