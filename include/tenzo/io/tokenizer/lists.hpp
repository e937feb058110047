// Tokenizers from plain lists, as GGUF metadata and vocab.txt have them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/byte_reader.hpp"
#include "tenzo/io/tokenizer.hpp"

namespace tenzo {

/// A vocabulary as lists by id; the views must last until the tokenizer is made.
struct TokenizerLists {
  enum Type { normal = 1, unknown_type = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

  std::string model = "gpt2";                 // gpt2: byte-level BPE; llama: scored BPE; bert: WordPiece; t5: Unigram
  std::string pre_tokenizer = "gpt2";         // of gpt2 (text::pre_tokenizers_by_name)
  std::vector<std::string_view> tokens = {};  // by id
  std::vector<std::string_view> merges = {};  // gpt2: "left right" in the order of rank
  std::vector<float> scores = {};             // llama, t5
  std::vector<std::int32_t> types = {};       // by id, see Type; empty: all normal
  std::string charsmap = {};                  // llama, t5: SentencePiece's table of replacements
  int bos = -1, eos = -1, pad = -1, unknown = -1, cls = -1, sep = -1;
  std::optional<bool> add_bos = {}, add_eos = {};  // unset: as is usual for the model
  std::optional<bool> add_space_prefix = {};       // llama, t5: a space before the text
  std::optional<bool> collapse_spaces = {};        // llama, t5: repeated spaces count as one
  bool lowercase = true;                           // bert: lower case without accents
};

namespace text::detail {

inline int type_of(const TokenizerLists& lists, std::size_t id) {
  return lists.types.empty() ? TokenizerLists::normal : lists.types[id];
}

/// Control tokens are looked for in the text as it is, those that a user defined in the normalized text.
inline std::vector<AddedToken> added_tokens(const TokenizerLists& lists) {
  std::vector<AddedToken> added;
  for (std::size_t id = 0; id < lists.tokens.size(); ++id) {
    const int type = type_of(lists, id);
    const bool special = type == TokenizerLists::control || type == TokenizerLists::unknown_type;
    if (!special && type != TokenizerLists::user_defined) continue;
    AddedToken t{.id = int(id), .content = std::string(lists.tokens[id]), .special = special};
    t.after_normalizer = !special;
    added.push_back(std::move(t));
  }
  return added;
}

/// Ids of the tokens that text may give.
inline std::vector<std::int32_t> text_tokens(const TokenizerLists& lists) {
  std::vector<std::int32_t> ids;
  for (std::size_t id = 0; id < lists.tokens.size(); ++id)
    if (const int t = type_of(lists, id); t == TokenizerLists::normal || t == TokenizerLists::user_defined)
      ids.push_back(std::int32_t(id));
  return ids;
}

inline void check_scores(const TokenizerLists& lists) {
  require(lists.scores.size() == lists.tokens.size(), "tokenizer: ", lists.tokens.size(), " tokens, but ",
          lists.scores.size(), " scores");
  for (std::size_t id = 0; id < lists.scores.size(); ++id)
    require(lists.scores[id] == lists.scores[id], "tokenizer: the score of token ", id, " is not a number");
}

inline std::array<std::int32_t, 256> byte_tokens(const Vocabulary& vocabulary) {
  Bpe names;
  names.byte_level = false;
  names.find_bytes(vocabulary);
  return names.byte_ids;
}

inline Bpe byte_level_model(const TokenizerLists& lists, TokenizerParts& parts) {
  Bpe bpe;
  bpe.find_bytes(parts.vocabulary);
  bpe.merges.reserve(lists.merges.size());
  for (const auto merge : lists.merges) add_merge(bpe.merges, parts.vocabulary, merge);
  bpe.whole_words = lists.pre_tokenizer.starts_with("llama");
  parts.pre_tokenizers = pre_tokenizers_by_name(lists.pre_tokenizer);
  parts.decoders = {JoinByteLevel{}};
  return bpe;
}

/// SentencePiece's table of replacements and its ▁ for spaces, and the way back.
inline void add_sentencepiece_spaces(const TokenizerLists& lists, bool collapse, TokenizerParts& parts) {
  const bool prefix = lists.add_space_prefix.value_or(true);
  if (!lists.charsmap.empty()) parts.normalizers.push_back(Charsmap(lists.charsmap));
  parts.normalizers.push_back(SentencePieceSpaces{collapse, prefix});
  const std::size_t at_begin = collapse ? SIZE_MAX : prefix ? 1 : 0;
  parts.decoders = {ReplaceInTokens{{Pattern::literal, 1, "▁"}, " "}, ByteTokens{}, Fuse{},
                    StripCopies{" ", at_begin, 0}};
}

inline ScoreBpe score_model(const TokenizerLists& lists, TokenizerParts& parts) {
  check_scores(lists);
  ScoreBpe bpe;
  bpe.scores.assign(lists.tokens.size(), std::numeric_limits<float>::quiet_NaN());
  for (const auto id : text_tokens(lists)) bpe.scores[std::size_t(id)] = lists.scores[std::size_t(id)];
  bpe.byte_ids = byte_tokens(parts.vocabulary);
  bpe.unknown = lists.unknown;
  add_sentencepiece_spaces(lists, lists.collapse_spaces.value_or(false), parts);
  return bpe;
}

inline Unigram unigram_model(const TokenizerLists& lists, TokenizerParts& parts) {
  check_scores(lists);
  Unigram unigram;
  const auto ids = text_tokens(lists);
  unigram.scores.assign(lists.scores.begin(), lists.scores.end());
  unigram.worst = std::numeric_limits<double>::infinity();
  for (const auto id : ids)
    if (type_of(lists, std::size_t(id)) == TokenizerLists::normal)
      unigram.worst = std::min(unigram.worst, unigram.scores[std::size_t(id)]);
  unigram.single_precision = true;
  unigram.index = PrefixIndex(parts.vocabulary, ids);
  unigram.unknown = lists.unknown;
  unigram.byte_ids = byte_tokens(parts.vocabulary);
  unigram.byte_fallback = std::all_of(unigram.byte_ids.begin(), unigram.byte_ids.end(), [](int id) { return id >= 0; });
  add_sentencepiece_spaces(lists, lists.collapse_spaces.value_or(true), parts);
  return unigram;
}

/// Stages of BERT's pre-tokenizer: words at spaces, each sign alone.
inline std::vector<PreTokenizer> bert_pre_tokenizers() {
  return {Split{{Pattern::space_character}, Split::removed}, Split{{Pattern::sign}}};
}

inline std::vector<Normalizer> bert_normalizers(bool clean, bool chinese, bool strip_accents, bool lowercase) {
  std::vector<Normalizer> all;
  if (clean) all.push_back(CleanText{});
  if (chinese) all.push_back(SpaceChinese{});
  if (strip_accents) all.push_back(NormalForm{false}), all.push_back(StripAccents{});
  if (lowercase) all.push_back(Lowercase{});
  return all;
}

inline WordPiece wordpiece_model(const TokenizerLists& lists, TokenizerParts& parts) {
  WordPiece model;
  // GGUF files mark the begins of words, vocab.txt their continuations.
  const bool marks_begins =
      std::any_of(lists.tokens.begin(), lists.tokens.end(), [](auto t) { return t.starts_with("▁"); });
  if (marks_begins) {
    model.at_begin = "▁";
    model.at_continuation = "";
    parts.decoders = {Fuse{}, ReplaceInTokens{{Pattern::literal, 1, "▁"}, " "}, StripCopies{" ", 1, 0}};
  } else {
    parts.decoders = {JoinWords{}};
  }
  model.index = PrefixIndex(parts.vocabulary, text_tokens(lists));
  model.unknown = lists.unknown;
  parts.normalizers = bert_normalizers(true, true, lists.lowercase, lists.lowercase);
  parts.pre_tokenizers = bert_pre_tokenizers();
  return model;
}

}  // namespace text::detail

/// A tokenizer of the lists. Throws ValueError where they contradict one another or ask for what is not known.
TENZO_COMPILED Tokenizer make_tokenizer(const TokenizerLists& lists);

#if TENZO_DEFINES(text)
TENZO_COMPILED Tokenizer make_tokenizer(const TokenizerLists& lists) {
  require(lists.types.empty() || lists.types.size() == lists.tokens.size(), "tokenizer: ", lists.tokens.size(),
          " tokens, but ", lists.types.size(), " types");
  for (const int id : {lists.bos, lists.eos, lists.pad, lists.unknown, lists.cls, lists.sep})
    require(id >= -1 && (id < 0 || std::size_t(id) < lists.tokens.size()), "tokenizer: special id ", id, " of ",
            lists.tokens.size(), " tokens");
  TokenizerParts parts;
  parts.vocabulary = text::Vocabulary(lists.tokens);
  parts.added = text::detail::added_tokens(lists);
  parts.bos = lists.bos, parts.eos = lists.eos, parts.pad = lists.pad, parts.unknown = lists.unknown;

  const bool bert = lists.model == "bert", llama = lists.model == "llama", t5 = lists.model == "t5";
  if (lists.model == "gpt2") {
    parts.model = text::detail::byte_level_model(lists, parts);
  } else if (llama) {
    parts.model = text::detail::score_model(lists, parts);
  } else if (bert) {
    parts.model = text::detail::wordpiece_model(lists, parts);
  } else if (t5) {
    parts.model = text::detail::unigram_model(lists, parts);
  } else {
    throw ValueError(
        cat("tokenizer: model ", printable(lists.model), " is not known; known are gpt2, llama, bert, t5"));
  }
  const int first = bert && lists.cls >= 0 ? lists.cls : lists.bos,
            last = bert && lists.sep >= 0 ? lists.sep : lists.eos;
  const bool llama3 = lists.model == "gpt2" && lists.pre_tokenizer.starts_with("llama");
  if (lists.add_bos.value_or(llama || bert || llama3) && first >= 0) parts.before = {first};
  if (lists.add_eos.value_or(t5 || bert) && last >= 0) parts.after = {last};
  return Tokenizer(std::move(parts));
}
#endif

}  // namespace tenzo
