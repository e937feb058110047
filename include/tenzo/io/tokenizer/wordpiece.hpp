// WordPiece, the vocabulary model of BERT: the longest token that fits, again and again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/tokenizer/prefix_index.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

/// Cuts a word from the left into the longest tokens that fit; a word that can not be cut so, or that is too long, is
/// unknown as a whole.
///   Source  Devlin et al. 2019, with the marks of word begins as GGUF files or of continuations as all others write
///   them.
struct WordPiece {
  PrefixIndex index;
  std::int32_t unknown = -1;           // −1: nothing is emitted for an unknown word
  std::string at_begin = {};           // what a token at a word's begin is written with: "▁" in GGUF files
  std::string at_continuation = "##";  // and one inside a word: "" in GGUF files
  std::size_t longest = 100;           // characters of a word

  void encode(const Vocabulary& vocabulary, std::string_view word, std::vector<int>& ids) const {
    std::size_t characters = 0;
    for_each_character(word, [&](char32_t, std::string_view) { ++characters; });
    const std::size_t before = ids.size();
    if (characters > longest || !append_tokens(vocabulary, word, ids)) {
      ids.resize(before);
      if (unknown >= 0) ids.push_back(unknown);
    }
  }

 private:
  bool append_tokens(const Vocabulary& vocabulary, std::string_view word, std::vector<int>& ids) const {
    // The mark of the next token is written over what has been read already.
    const std::size_t room = std::max(at_begin.size(), at_continuation.size());
    std::string text(room, ' ');
    text.append(word);
    for (std::size_t at = room; at < text.size();) {
      const std::string& mark = at == room ? at_begin : at_continuation;
      text.replace(at - mark.size(), mark.size(), mark);
      std::size_t size = mark.size();
      int best = -1;
      index.for_each_prefix(vocabulary, std::string_view(text).substr(at - mark.size()), [&](int id, std::size_t n) {
        if (n <= size) return;
        best = id;
        size = n;
      });
      if (best < 0) return false;
      ids.push_back(best);
      at += size - mark.size();
    }
    return true;
  }
};

}  // namespace tenzo::text
