// Added tokens: strings that are one token wherever they stand, whatever the model would make of them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/io/tokenizer/prefix_index.hpp"
#include "tenzo/io/tokenizer/unicode.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"
#include "tenzo/io/tokenizer/vocabulary.hpp"

namespace tenzo::text {

struct AddedToken {
  int id = -1;
  std::string content = {};
  bool special = false;           // control: left out when decoding
  bool single_word = false;       // only where no word character touches it
  bool takes_left = false;        // takes the spaces before it with it
  bool takes_right = false;       // and those after it
  bool after_normalizer = false;  // looked for in the normalized text, with its content as it would stand there
};

/// Looks for tokens in a text: of those that begin at one place the longest, from left to right.
class TokenFinder {
 public:
  TokenFinder() = default;

  explicit TokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
    std::vector<std::string_view> contents;
    std::vector<std::int32_t> all;
    for (const AddedToken& t : tokens_) {
      all.push_back(std::int32_t(contents.size()));
      contents.push_back(t.content);
    }
    contents_ = Vocabulary(contents);
    index_ = PrefixIndex(contents_, std::move(all));
    for (int b = 0; b < 256; ++b) may_begin_[std::size_t(b)] = index_.any_begins_with(char(b));
  }

  /// Calls on_text(stretch) and on_token(id) for the parts of the text in order; no stretch is empty.
  template <class OnText, class OnToken>
  void cut(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    std::size_t done = 0, at = 0;
    while (!index_.empty() && at < text.size()) {
      if (!may_begin_[static_cast<unsigned char>(text[at])]) {
        ++at;
        continue;
      }
      const AddedToken* token = nullptr;
      index_.for_each_prefix(contents_, text.substr(at),
                             [&](std::int32_t i, std::size_t) { token = &tokens_[std::size_t(i)]; });
      if (token == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + token->content.size();
      at = end;
      if (token->single_word && touches_word(text, begin, end)) continue;
      if (token->takes_left) {
        while (begin > done && is(last_character(text.substr(done, begin - done)).code, space))
          begin -= std::size_t(last_character(text.substr(done, begin - done)).size);
      }
      if (token->takes_right) {
        while (end < text.size() && is(first_character(text.substr(end)).code, space))
          end += std::size_t(first_character(text.substr(end)).size);
        at = end;
      }
      if (begin > done) on_text(text.substr(done, begin - done));
      on_token(token->id);
      done = end;
    }
    if (done < text.size()) on_text(text.substr(done));
  }

 private:
  static bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
    const auto is_word = [](char32_t c) { return is(c, word); };
    return (begin > 0 && is_word(last_character(text.substr(0, begin)).code)) ||
           (end < text.size() && is_word(first_character(text.substr(end)).code));
  }

  std::vector<AddedToken> tokens_;
  Vocabulary contents_;
  PrefixIndex index_;
  std::array<bool, 256> may_begin_{};
};

}  // namespace tenzo::text
