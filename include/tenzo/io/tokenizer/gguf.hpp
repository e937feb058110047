// The tokenizer that a GGUF file carries in its metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/tokenizer.hpp"

#if TENZO_DEFINES(text)
#include "tenzo/io/tokenizer/lists.hpp"
#endif

namespace tenzo {

#if TENZO_DEFINES(text)
namespace detail {

/// The keys "tokenizer.ggml.…" of a file.
class GgufTokenizerKeys {
 public:
  explicit GgufTokenizerKeys(const GgufFile& file) : file_(file) {}

  const GgufValue* find(std::string_view key) const { return file_.metadata().find(full(key)); }
  std::string text(std::string_view key, const std::string& fallback) const { return file_.text(full(key), fallback); }
  std::vector<std::string_view> texts(std::string_view key) const { return file_.texts(full(key)); }

  std::optional<bool> flag(std::string_view key) const {
    if (!find(key)) return {};
    return file_.boolean(full(key));
  }

  int id(std::string_view key) const {
    const std::int64_t id = file_.integer(full(key), -1);
    return id < 0 || id > INT32_MAX ? -1 : int(id);
  }

  /// Calls f for each number of an array, if it is there.
  template <class F>
  void for_each_number(std::string_view key, F&& f) const {
    const GgufValue* values = find(key);
    if (values) values->for_each([&](const GgufValue& v) { f(v.number()); });
  }

  /// Lets go of the pages of an array that has been read.
  void release(std::string_view key) const {
    if (const GgufValue* v = find(key)) file_.release(v->bytes());
  }

 private:
  static std::string full(std::string_view key) { return std::string("tokenizer.ggml.").append(key); }

  const GgufFile& file_;
};

inline TokenizerLists gguf_tokenizer_lists(const GgufTokenizerKeys& keys) {
  TokenizerLists lists;
  lists.model = keys.text("model", "");
  lists.pre_tokenizer = keys.text("pre", "gpt2");
  lists.tokens = keys.texts("tokens");
  if (keys.find("merges")) lists.merges = keys.texts("merges");
  keys.for_each_number("scores", [&](double x) { lists.scores.push_back(float(x)); });
  keys.for_each_number("token_type", [&](double x) {
    require(x >= 0 && x <= 6, "tokenizer: the type of token ", lists.types.size(), " is ", x, "; known are 0 to 6");
    lists.types.push_back(x == 0 ? std::int32_t(TokenizerLists::normal) : std::int32_t(x));
  });
  keys.for_each_number("precompiled_charsmap", [&](double x) {
    require(x >= -128 && x <= 255, "tokenizer: a table of replacements with ", x, " for a byte");
    lists.charsmap.push_back(char(int(x)));
  });
  lists.bos = keys.id("bos_token_id");
  lists.eos = keys.id("eos_token_id");
  lists.pad = keys.id("padding_token_id");
  lists.unknown = keys.id("unknown_token_id");
  lists.cls = keys.id("cls_token_id");
  lists.sep = keys.id("seperator_token_id");  // written so in the files
  lists.add_bos = keys.flag("add_bos_token");
  lists.add_eos = keys.flag("add_eos_token");
  lists.add_space_prefix = keys.flag("add_space_prefix");
  lists.collapse_spaces = keys.flag("remove_extra_whitespaces");
  return lists;
}

}  // namespace detail
#endif

/// The tokenizer of a GGUF file (keys tokenizer.ggml.*). Throws FileError where there is none, or none that holds
/// together.
///   Memory  the tokens and the tables (1.8 MB for 49,152 tokens and 48,900 merges); the file's own pages are let go.
TENZO_COMPILED Tokenizer tokenizer_from_gguf(const GgufFile& file);

#if TENZO_DEFINES(text)
TENZO_COMPILED Tokenizer tokenizer_from_gguf(const GgufFile& file) {
  const detail::GgufTokenizerKeys keys(file);
  if (!keys.find("model"))
    throw FileError(file.path(), -1, cat("has no tokenizer (no key ", printable("tokenizer.ggml.model"), ')'));
  try {
    Tokenizer tokenizer = make_tokenizer(detail::gguf_tokenizer_lists(keys));
    for (const auto* key : {"tokens", "merges", "scores", "token_type", "precompiled_charsmap"}) keys.release(key);
    return tokenizer;
  } catch (const ValueError& e) {
    throw FileError(file.path(), -1, e.what());
  }
}
#endif

}  // namespace tenzo
