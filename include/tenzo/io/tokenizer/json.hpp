// tokenizer.json, and vocab.json with merges.txt: the tokenizers of checkpoints in folders.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/tokenizer.hpp"

#if TENZO_DEFINES(json)
#include "tenzo/io/tokenizer/json_file.hpp"
#include "tenzo/io/tokenizer/json_stages.hpp"
#include "tenzo/io/tokenizer/lists.hpp"
#endif

namespace tenzo {

#if TENZO_DEFINES(json)
namespace text::detail {

/// Added tokens as the file lists them; their contents are normalized later.
inline std::vector<AddedToken> listed_added_tokens(const Json& list) {
  std::vector<AddedToken> added;
  for (const Json& j : list) {
    const std::int64_t id = integer_of(j, "id", -1);
    require(id >= 0 && id <= INT32_MAX, "added token ", printable(j.dump()), ": its id is no integer from 0 on");
    const bool special = flag_of(j, "special", false);
    added.push_back({.id = int(id),
                     .content = text_of(j, "content"),
                     .special = special,
                     .single_word = flag_of(j, "single_word", false),
                     .takes_left = flag_of(j, "lstrip", false),
                     .takes_right = flag_of(j, "rstrip", false),
                     .after_normalizer = flag_of(j, "normalized", !special)});
  }
  return added;
}

/// All tokens by id. A token that is in the model's list, too, has the id that it has there.
inline Vocabulary vocabulary_of(const TokenizerJson& file, std::vector<AddedToken>& added) {
  std::int64_t last = -1;
  for (const auto& t : file.tokens) last = std::max<std::int64_t>(last, t.id);
  for (const AddedToken& t : added) last = std::max<std::int64_t>(last, t.id);
  const std::size_t n = file.tokens.size() + added.size();
  require(last < std::int64_t(4 * n + 4096), "vocabulary: ", n, " tokens, but an id ", last);
  std::vector<std::string_view> tokens(std::size_t(last + 1));
  const auto place = [&](std::size_t id, std::string_view token) {
    require(tokens[id].empty() || tokens[id] == token, "vocabulary: the id ", id, " is both ", printable(tokens[id]),
            " and ", printable(token));
    tokens[id] = token;
  };
  for (const auto& t : file.tokens) place(std::size_t(t.id), file.token(t));
  Vocabulary of_model(tokens);
  bool all_known = true;
  for (AddedToken& t : added) {
    const int id = of_model.id(t.content);
    all_known = all_known && id >= 0;
    if (id >= 0) t.id = id;
    place(std::size_t(t.id), t.content);
  }
  return all_known ? std::move(of_model) : Vocabulary(tokens);
}

inline std::vector<std::int32_t> ids_of(const TokenizerJson& file) {
  std::vector<std::int32_t> ids;
  for (const auto& t : file.tokens) ids.push_back(t.id);
  return ids;
}

/// Id of the token that a member names, −1 where it names none.
inline int id_named(const Json& j, const char* key, const Vocabulary& vocabulary) {
  const std::string name = text_of(j, key, "");
  if (name.empty()) return -1;
  const int id = vocabulary.id(name);
  require(id >= 0, '"', key, "\": the token ", printable(name), " is not in the vocabulary");
  return id;
}

inline Bpe bpe_of(const TokenizerJson& file, const Json& model, const Vocabulary& vocabulary, bool byte_level) {
  require(text_of(model, "continuing_subword_prefix", "").empty() && text_of(model, "end_of_word_suffix", "").empty(),
          "BPE with a continuing_subword_prefix or an end_of_word_suffix is not supported");
  Bpe bpe;
  bpe.byte_level = byte_level;
  bpe.byte_fallback = !byte_level && flag_of(model, "byte_fallback", false);
  bpe.fuse_unknown = flag_of(model, "fuse_unk", false);
  bpe.whole_words = flag_of(model, "ignore_merges", false);
  bpe.unknown = id_named(model, "unk_token", vocabulary);
  bpe.find_bytes(vocabulary);
  bpe.merges.reserve(file.merges.size());
  for (const auto& m : file.merges) add_merge(bpe.merges, vocabulary, file.left(m), file.right(m));
  return bpe;
}

inline WordPiece wordpiece_of(const TokenizerJson& file, const Json& model, const Vocabulary& vocabulary) {
  WordPiece w;
  w.index = PrefixIndex(vocabulary, ids_of(file));
  w.unknown = id_named(model, "unk_token", vocabulary);
  w.at_continuation = text_of(model, "continuing_subword_prefix", "##");
  const std::int64_t longest = integer_of(model, "max_input_chars_per_word", 100);
  require(longest >= 0, "\"max_input_chars_per_word\" is ", longest);
  w.longest = std::size_t(longest);
  return w;
}

inline Unigram unigram_of(const TokenizerJson& file, const Json& model, const Vocabulary& vocabulary) {
  Unigram u;
  u.index = PrefixIndex(vocabulary, ids_of(file));
  u.scores.assign(std::size_t(vocabulary.size()), 0);
  u.worst = std::numeric_limits<double>::infinity();
  for (const auto& t : file.tokens) {
    u.scores[std::size_t(t.id)] = t.score;
    u.worst = std::min(u.worst, t.score);
  }
  const std::int64_t unknown = integer_of(model, "unk_id", -1);
  require(unknown >= -1 && unknown < std::int64_t(file.tokens.size()), "\"unk_id\" is ", unknown, " of ",
          file.tokens.size(), " tokens");
  u.unknown = int(unknown);
  u.byte_ids = byte_tokens(vocabulary);
  const bool all_bytes = std::all_of(u.byte_ids.begin(), u.byte_ids.end(), [](int id) { return id >= 0; });
  u.byte_fallback = all_bytes && flag_of(model, "byte_fallback", false);
  return u;
}

/// "type", or what the members tell of it in files that are older than it.
inline std::string type_of_model(const TokenizerJson& file, const Json& model) {
  const bool unigram = !member(model, "unk_id").is_null();
  return text_of(model, "type", !file.merges.empty() ? "BPE" : unigram ? "Unigram" : "WordPiece");
}

inline TokenizerParts parts_of(const TokenizerJson& file) {
  TokenizerParts parts;
  const Json &tree = file.tree, &model = member(tree, "model");
  require(model.is_object() && !file.tokens.empty(), "has no \"model\" with a \"vocab\"");
  parts.added = listed_added_tokens(member(tree, "added_tokens"));
  parts.vocabulary = vocabulary_of(file, parts.added);
  add_normalizers(member(tree, "normalizer"), parts.normalizers);
  for (AddedToken& t : parts.added)
    if (t.after_normalizer) t.content = normalized(parts.normalizers, t.content);
  const bool byte_level = add_pre_tokenizers(member(tree, "pre_tokenizer"), parts.pre_tokenizers);
  add_post_processors(member(tree, "post_processor"), parts);
  add_decoders(member(tree, "decoder"), parts.decoders);

  const std::string type = type_of_model(file, model);
  require(type == "BPE" || !byte_level, "ByteLevel before a model ", printable(type), " is not supported");
  if (type == "BPE") {
    parts.model = bpe_of(file, model, parts.vocabulary, byte_level);
  } else if (type == "WordPiece") {
    parts.model = wordpiece_of(file, model, parts.vocabulary);
  } else if (type == "Unigram") {
    parts.model = unigram_of(file, model, parts.vocabulary);
  } else {
    not_supported("the model", type);
  }
  const auto* unknown = std::visit([](const auto& m) { return &m.unknown; }, parts.model);
  parts.unknown = *unknown;
  return parts;
}

}  // namespace text::detail
#endif

/// The tokenizer of the text of a tokenizer.json; `path` is its name in errors.
TENZO_COMPILED Tokenizer parse_tokenizer(std::string_view bytes, const std::string& path);

#if TENZO_DEFINES(json)
TENZO_COMPILED Tokenizer parse_tokenizer(std::string_view bytes, const std::string& path) {
  return text::reading_json(path,
                            [&] { return Tokenizer(text::detail::parts_of(text::parse_tokenizer_json(bytes, true))); });
}
#endif

/// The tokenizer of a file tokenizer.json. Throws FileError where the file is damaged or asks for what is not
/// supported: then the reason names it.
///   Models             BPE (byte-level, or by characters with or without fallback to bytes), WordPiece, Unigram.
///   Normalizers        BertNormalizer, Lowercase, NFC, NFD, StripAccents, Strip, Prepend, Replace, Precompiled,
///   Sequence. Pre-tokenizers     ByteLevel, Split and Replace by strings and by the regular expressions of known
///   families, Digits,
///                      Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, Metaspace, Sequence.
///   Post-processors    TemplateProcessing, BertProcessing, RobertaProcessing, for one text.
///   Decoders           ByteLevel, WordPiece, Metaspace, ByteFallback, Fuse, Strip, Replace, Sequence.
///   Not taken over     truncation and padding; bos, eos and pad, which the file does not name (see folder.hpp).
TENZO_COMPILED Tokenizer tokenizer_from_json(const std::string& path);

#if TENZO_DEFINES(json)
TENZO_COMPILED Tokenizer tokenizer_from_json(const std::string& path) {
  const auto file = MappedFile::open(path);
  return parse_tokenizer(text::characters_of(*file), path);
}
#endif

}  // namespace tenzo
