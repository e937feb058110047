// Text to token ids and back, as language models want it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/tokenizer/added_tokens.hpp"
#include "tenzo/io/tokenizer/bpe.hpp"
#include "tenzo/io/tokenizer/decoders.hpp"
#include "tenzo/io/tokenizer/normalizers.hpp"
#include "tenzo/io/tokenizer/pre_tokenizers.hpp"
#include "tenzo/io/tokenizer/score_bpe.hpp"
#include "tenzo/io/tokenizer/unigram.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"
#include "tenzo/io/tokenizer/wordpiece.hpp"

namespace tenzo {

/// What a tokenizer is made of. Each part is a plain value; readers of files fill them in:
///   tokenizer/lists.hpp       lists of tokens, merges, scores, as GGUF files and vocab.txt have them
///   tokenizer/gguf.hpp        a GGUF file
///   tokenizer/json.hpp        tokenizer.json; vocab.json with merges.txt
///   tokenizer/spm.hpp         SentencePiece's .model
struct TokenizerParts {
  text::Vocabulary vocabulary;
  std::vector<text::AddedToken> added;
  std::vector<text::Normalizer> normalizers;
  std::vector<text::PreTokenizer> pre_tokenizers;
  std::variant<text::Bpe, text::ScoreBpe, text::WordPiece, text::Unigram> model;
  std::vector<int> before, after;  // ids that `add_special` puts around the text
  std::vector<text::Decoder> decoders;
  int bos = -1, eos = -1, pad = -1, unknown = -1;  // −1: there is none
};

/// Text to token ids and back: added tokens are cut out, the rest is normalized, cut into pieces, and each piece is
/// given to the vocabulary's model.
///   Bytes    any bytes are taken. Byte-level models keep all that have a token: decode(encode(x)) == x, but for a
///            normalizer's work (some vocabularies lack a few control bytes: these are left out).
///            With other models a byte that belongs to no UTF-8 character reads as U+FFFD where a normalizer looks at
///            characters, else as an unknown character, or as itself where the model falls back to bytes.
///   Threads  encode and decode change nothing: any number of threads may call them at once.
class Tokenizer {
 public:
  Tokenizer() = default;

  /// Throws ValueError where an id that is to be put around texts is none.
  TENZO_COMPILED explicit Tokenizer(TokenizerParts parts);

  /// The ids of a text; with `add_special` also those that the model wants around it ([CLS] … [SEP], or <s>).
  ///   Control tokens that are written out in the text become their ids, as other programs do it.
  ///   Time  linear in the text, up to the logarithm of the longest piece.
  TENZO_COMPILED std::vector<int> encode(std::string_view text, bool add_special) const;

  /// The text of the ids; control tokens such as <s> only with `with_special`. Ids without a token give nothing.
  TENZO_COMPILED std::string decode(std::span<const int> ids, bool with_special = false) const;

  /// Id of a token as the vocabulary writes it ("Ġthe", "##ing", "▁a"), −1 if there is none.
  int token_id(std::string_view token) const { return parts_.vocabulary.id(token); }

  /// The token of an id as the vocabulary writes it; empty where there is none.
  std::string_view token(int id) const { return parts_.vocabulary.token(id); }

  /// Whether the id is a control token: no text of its own.
  bool is_special(int id) const { return std::binary_search(special_.begin(), special_.end(), id); }

  int size() const { return parts_.vocabulary.size(); }  // all ids are below
  int bos() const { return parts_.bos; }                 // −1 where there is none, like the next ones
  int eos() const { return parts_.eos; }
  int pad() const { return parts_.pad; }
  int unknown() const { return parts_.unknown; }

 private:
  static constexpr std::size_t largest_text = std::size_t(1) << 28;   // bytes
  static constexpr std::size_t largest_piece = std::size_t(1) << 30;  // of a normalized text: places are 32 bits

  /// A stretch of text without raw added tokens; `first`: the whole text begins here.
  TENZO_COMPILED void encode_raw(std::string_view raw, bool first, text::MergeLoop& loop, std::vector<int>& ids) const;

  TENZO_COMPILED void encode_piece(std::string_view piece, text::MergeLoop& loop, std::vector<int>& ids) const;

  TokenizerParts parts_;
  std::vector<int> special_;
  text::TokenFinder raw_, normalized_;
};

#if TENZO_DEFINES(text)
TENZO_COMPILED Tokenizer::Tokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
  for (const auto* around : {&parts_.before, &parts_.after})
    for (const int id : *around)
      require(parts_.vocabulary.holds(id), "tokenizer: id ", id, " is to be put around texts; there are ", size());
  std::vector<text::AddedToken> raw, normalized;
  for (text::AddedToken& t : parts_.added) {
    if (t.special) special_.push_back(t.id);
    (t.after_normalizer ? normalized : raw).push_back(std::move(t));
  }
  parts_.added = {};
  std::sort(special_.begin(), special_.end());
  raw_ = text::TokenFinder(std::move(raw));
  normalized_ = text::TokenFinder(std::move(normalized));
}

TENZO_COMPILED std::vector<int> Tokenizer::encode(std::string_view text, bool add_special) const {
  require(text.size() <= largest_text, "tokenizer: a text of ", text.size(), " bytes; at most ", largest_text);
  std::vector<int> ids;
  if (add_special) ids = parts_.before;
  text::MergeLoop loop;
  const auto on_text = [&](std::string_view raw) { encode_raw(raw, raw.data() == text.data(), loop, ids); };
  raw_.cut(text, on_text, [&](int id) { ids.push_back(id); });
  if (add_special) ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
  return ids;
}

TENZO_COMPILED std::string Tokenizer::decode(std::span<const int> ids, bool with_special) const {
  std::vector<std::string> tokens;
  for (const int id : ids) {
    if (!parts_.vocabulary.holds(id) || (!with_special && is_special(id))) continue;
    tokens.emplace_back(token(id));
  }
  return text::decoded(parts_.decoders, std::move(tokens));
}

TENZO_COMPILED void Tokenizer::encode_raw(std::string_view raw, bool first, text::MergeLoop& loop,
                                          std::vector<int>& ids) const {
  const std::string now = text::normalized(parts_.normalizers, raw);
  const auto on_piece = [&](std::string_view piece) { encode_piece(piece, loop, ids); };
  const auto on_text = [&](std::string_view stretch) {
    text::pre_tokenize(parts_.pre_tokenizers, {stretch, first && stretch.data() == now.data()}, on_piece);
  };
  normalized_.cut(now, on_text, [&](int id) { ids.push_back(id); });
}

TENZO_COMPILED void Tokenizer::encode_piece(std::string_view piece, text::MergeLoop& loop,
                                            std::vector<int>& ids) const {
  require(piece.size() <= largest_piece, "tokenizer: a piece of ", piece.size(), " bytes; at most ", largest_piece);
  const text::Vocabulary& v = parts_.vocabulary;
  if (const auto* bpe = std::get_if<text::Bpe>(&parts_.model)) bpe->encode(v, piece, loop, ids);
  if (const auto* bpe = std::get_if<text::ScoreBpe>(&parts_.model)) bpe->encode(v, piece, loop, ids);
  if (const auto* words = std::get_if<text::WordPiece>(&parts_.model)) words->encode(v, piece, ids);
  if (const auto* unigram = std::get_if<text::Unigram>(&parts_.model)) unigram->encode(v, piece, ids);
}
#endif

}  // namespace tenzo
