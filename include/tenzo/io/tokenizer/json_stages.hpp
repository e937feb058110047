// The stages that a tokenizer.json describes: normalizers, pre-tokenizers, post-processors, decoders.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/base64.hpp"
#include "tenzo/io/tokenizer/json_file.hpp"
#include "tenzo/io/tokenizer/lists.hpp"

namespace tenzo::text::detail {

/// A member of an object; null where it is missing or `j` is no object.
inline const Json& member(const Json& j, const char* key) {
  static const Json null;
  const auto it = j.is_object() ? j.find(key) : j.end();
  return j.is_object() && it != j.end() ? *it : null;
}

inline std::string text_of(const Json& j, const char* key) {
  const Json& m = member(j, key);
  require(m.is_string(), "a string \"", key, "\" is missing in ", printable(j.dump()));
  return m.get<std::string>();
}

inline std::string text_of(const Json& j, const char* key, const char* fallback) {
  return member(j, key).is_null() ? fallback : text_of(j, key);
}

inline bool flag_of(const Json& j, const char* key, bool fallback) {
  const Json& m = member(j, key);
  require(m.is_null() || m.is_boolean(), '"', key, "\" is ", printable(m.dump()), "; want true or false");
  return m.is_null() ? fallback : m.get<bool>();
}

inline std::int64_t integer_of(const Json& j, const char* key, std::int64_t fallback) {
  const Json& m = member(j, key);
  require(m.is_null() || m.is_number_integer(), '"', key, "\" is ", printable(m.dump()), "; want an integer");
  return m.is_null() ? fallback : m.get<std::int64_t>();
}

/// Calls f for a stage, or for the stages of a Sequence in it, in order, nested at most 8 deep.
template <class F>
void for_each_stage(const Json& j, const char* list, F&& f, int depth = 0) {
  if (j.is_null()) return;
  if (text_of(j, "type") != "Sequence") return f(j);
  require(depth < 8, list, ": sequences are nested more than 8 deep");
  for (const Json& stage : member(j, list)) for_each_stage(stage, list, f, depth + 1);
}

inline void check_stages(std::size_t n) { require(n <= 64, n, " stages; at most 64 are read"); }

[[noreturn]] inline void not_supported(const char* what, const std::string& type) {
  throw ValueError(cat(what, ' ', printable(type), " is not supported"));
}

/// The pattern that is meant by a regular expression; only those that known vocabularies use.
inline Pattern known_expression(const std::string& expression) {
  // GPT-2's; then, in several spellings, GPT-4's, Llama 3's (digits by three) and Qwen 2's (each digit alone).
  const std::string gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  const std::string contractions[] = {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|)", R"('(?i:[sdmt]|ll|ve|re)|)"};
  const std::string words[] = {R"([^\r\n\p{L}\p{N}]?\p{L}+|)", R"([^\r\n\p{L}\p{N}]?+\p{L}+|)"};
  const std::pair<std::string, int> digits[] = {{R"(\p{N}{1,3}|)", 3}, {R"(\p{N}|)", 1}};
  const std::string rest[] = {R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                              R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
                              R"( ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  if (expression == gpt2) return {Pattern::gpt2};
  for (const auto& c : contractions)
    for (const auto& w : words)
      for (const auto& [d, count] : digits)
        for (const auto& r : rest)
          if (expression == c + w + d + r) return {Pattern::llama3, count};

  struct Known {
    const char* expression;
    Pattern pattern;
  };
  const Known others[] = {{R"(\p{N})", {Pattern::digit}},
                          {R"(\p{N}+)", {Pattern::digits}},
                          {R"(\p{N}{1,3})", {Pattern::digit_groups, 3}},
                          {R"(\s)", {Pattern::space_character}},
                          {R"(\s+)", {Pattern::spaces}},
                          {R"( {2,})", {Pattern::blanks}},
                          {R"(\w+|[^\w\s]+)", {Pattern::word_or_signs}}};
  for (const Known& k : others)
    if (expression == k.expression) return k.pattern;
  not_supported("the regular expression", expression);
}

/// {"String": s} or {"Regex": r}.
inline Pattern pattern_of(const Json& stage) {
  const Json& p = member(stage, "pattern");
  if (!member(p, "Regex").is_null()) return known_expression(text_of(p, "Regex"));
  return {Pattern::literal, 1, text_of(p, "String")};
}

inline void add_normalizers(const Json& j, std::vector<Normalizer>& out) {
  for_each_stage(j, "normalizers", [&](const Json& stage) {
    const std::string type = text_of(stage, "type");
    if (type == "BertNormalizer") {
      const bool lowercase = flag_of(stage, "lowercase", true);
      const auto all =
          bert_normalizers(flag_of(stage, "clean_text", true), flag_of(stage, "handle_chinese_chars", true),
                           flag_of(stage, "strip_accents", lowercase), lowercase);
      out.insert(out.end(), all.begin(), all.end());
    } else if (type == "Lowercase") {
      out.push_back(Lowercase{});
    } else if (type == "NFC" || type == "NFD") {
      out.push_back(NormalForm{type == "NFC"});
    } else if (type == "StripAccents") {
      out.push_back(StripAccents{true});
    } else if (type == "Strip") {
      out.push_back(Strip{flag_of(stage, "strip_left", true), flag_of(stage, "strip_right", true)});
    } else if (type == "Prepend") {
      out.push_back(Prepend{text_of(stage, "prepend")});
    } else if (type == "Replace") {
      out.push_back(Replace{pattern_of(stage), text_of(stage, "content")});
    } else if (type == "Precompiled") {
      out.push_back(Charsmap(base64_decoded(text_of(stage, "precompiled_charsmap")), Charsmap::clusters));
    } else {
      not_supported("the normalizer", type);
    }
    check_stages(out.size());
  });
}

inline Split::Keep behavior_of(const Json& stage) {
  const std::string name = text_of(stage, "behavior", "Isolated");
  const std::pair<const char*, Split::Keep> names[] = {{"Isolated", Split::isolated},
                                                       {"Removed", Split::removed},
                                                       {"Contiguous", Split::contiguous},
                                                       {"MergedWithPrevious", Split::with_previous},
                                                       {"MergedWithNext", Split::with_next}};
  for (const auto& [known, keep] : names)
    if (name == known) return keep;
  not_supported("the behavior", name);
}

/// "prepend_scheme", or "add_prefix_space" in older files.
inline MarkedSpaces::Prepend prepend_of(const Json& stage) {
  const char* fallback = flag_of(stage, "add_prefix_space", true) ? "always" : "never";
  const std::string scheme = text_of(stage, "prepend_scheme", fallback);
  if (scheme == "always") return MarkedSpaces::always;
  if (scheme == "first") return MarkedSpaces::first;
  if (scheme == "never") return MarkedSpaces::never;
  not_supported("the prepend_scheme", scheme);
}

/// What Metaspace writes for a space: one character.
inline std::string mark_of(const Json& stage) {
  const std::string mark = text_of(stage, "replacement", "▁");
  require(!mark.empty() && first_character(mark).size == int(mark.size()), "Metaspace: the replacement ",
          printable(mark), " is not one character");
  return mark;
}

/// Returns whether the last stage hands on pieces in the byte alphabet.
inline bool add_pre_tokenizers(const Json& j, std::vector<PreTokenizer>& out) {
  bool byte_level = false;
  for_each_stage(j, "pretokenizers", [&](const Json& stage) {
    const std::string type = text_of(stage, "type");
    require(!byte_level, "the pre-tokenizer ", printable(type), " after ByteLevel is not supported");
    if (type == "ByteLevel") {
      byte_level = true;
      if (flag_of(stage, "add_prefix_space", true)) out.push_back(LeadingSpace{});
      if (flag_of(stage, "use_regex", true)) out.push_back(Split{{Pattern::gpt2}});
    } else if (type == "Split") {
      out.push_back(Split{pattern_of(stage), behavior_of(stage), flag_of(stage, "invert", false)});
    } else if (type == "CharDelimiterSplit") {
      out.push_back(Split{{Pattern::literal, 1, text_of(stage, "delimiter")}, Split::removed});
    } else if (type == "Digits") {
      const bool one = flag_of(stage, "individual_digits", false);
      out.push_back(Split{{one ? Pattern::digit : Pattern::digits}});
    } else if (type == "Punctuation") {
      out.push_back(Split{{Pattern::sign}, behavior_of(stage)});
    } else if (type == "Whitespace") {
      out.push_back(Split{{Pattern::word_or_signs}, Split::removed, true});
    } else if (type == "WhitespaceSplit") {
      out.push_back(Split{{Pattern::space_character}, Split::removed});
    } else if (type == "BertPreTokenizer") {
      for (auto& s : bert_pre_tokenizers()) out.push_back(std::move(s));
    } else if (type == "Metaspace") {
      out.push_back(MarkedSpaces{mark_of(stage), prepend_of(stage), flag_of(stage, "split", true)});
    } else {
      not_supported("the pre-tokenizer", type);
    }
    check_stages(out.size());
  });
  return byte_level;
}

/// The id of a pair ["token", id].
inline int id_of_pair(const Json& stage, const char* key) {
  const Json& pair = member(stage, key);
  require(pair.is_array() && pair.size() == 2 && pair[1].is_number_unsigned() &&
              pair[1].get<std::uint64_t>() < Vocabulary::largest,
          '"', key, "\" is ", printable(pair.dump()), "; want a token and its id");
  return pair[1].get<int>();
}

/// What a template for one text puts before and after it.
inline void add_template(const Json& stage, std::vector<int>& before, std::vector<int>& after) {
  bool after_text = false;
  for (const Json& item : member(stage, "single")) {
    if (!member(item, "Sequence").is_null()) {
      require(!after_text, "the post-processor takes the text twice");
      after_text = true;
      continue;
    }
    const std::string name = text_of(member(item, "SpecialToken"), "id");
    const Json& ids = member(member(member(stage, "special_tokens"), name.c_str()), "ids");
    require(ids.is_array() && !ids.empty(), "the post-processor has no ids for ", printable(name));
    for (const Json& id : ids) {
      require(id.is_number_unsigned() && id.get<std::uint64_t>() < Vocabulary::largest,
              "the post-processor has the id ", printable(id.dump()), " for ", printable(name));
      (after_text ? after : before).push_back(id.get<int>());
    }
  }
  require(after_text, "the post-processor leaves the text out");
}

inline void add_post_processors(const Json& j, TokenizerParts& parts) {
  for_each_stage(j, "processors", [&](const Json& stage) {
    const std::string type = text_of(stage, "type");
    std::vector<int> before, after;
    if (type == "BertProcessing" || type == "RobertaProcessing") {
      before = {id_of_pair(stage, "cls")};
      after = {id_of_pair(stage, "sep")};
    } else if (type == "TemplateProcessing") {
      add_template(stage, before, after);
    } else if (type != "ByteLevel") {  // which only moves offsets
      not_supported("the post-processor", type);
    }
    parts.before.insert(parts.before.begin(), before.begin(), before.end());
    parts.after.insert(parts.after.end(), after.begin(), after.end());
    check_stages(parts.before.size() + parts.after.size());
  });
}

inline void add_decoders(const Json& j, std::vector<Decoder>& out) {
  for_each_stage(j, "decoders", [&](const Json& stage) {
    const std::string type = text_of(stage, "type");
    if (type == "ByteLevel") {
      out.push_back(JoinByteLevel{});
    } else if (type == "WordPiece") {
      out.push_back(JoinWords{text_of(stage, "prefix", "##"), flag_of(stage, "cleanup", true)});
    } else if (type == "Metaspace") {
      out.push_back(MarksToSpaces{mark_of(stage), prepend_of(stage) != MarkedSpaces::never});
    } else if (type == "ByteFallback") {
      out.push_back(ByteTokens{});
    } else if (type == "Fuse") {
      out.push_back(Fuse{});
    } else if (type == "Strip") {
      const auto most = [&](const char* key) {
        return std::size_t(std::max<std::int64_t>(0, integer_of(stage, key, 0)));
      };
      out.push_back(StripCopies{text_of(stage, "content", " "), most("start"), most("stop")});
    } else if (type == "Replace") {
      out.push_back(ReplaceInTokens{pattern_of(stage), text_of(stage, "content")});
    } else {
      not_supported("the decoder", type);
    }
    check_stages(out.size());
  });
}

}  // namespace tenzo::text::detail
