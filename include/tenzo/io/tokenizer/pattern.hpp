// Patterns that cut a text: a known regular expression, a class of characters, or a literal string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tenzo/core/error.hpp"
#include "tenzo/io/tokenizer/unicode.hpp"
#include "tenzo/io/tokenizer/word_patterns.hpp"

namespace tenzo::text {

/// What to look for.
struct Pattern {
  enum Kind {
    literal,          // the string `text`
    gpt2,             // gpt2_word
    llama3,           // llama3_word with `count` digits
    digit,            // \p{N}
    digits,           // \p{N}+
    digit_groups,     // \p{N}{1,count}
    space_character,  // \s
    spaces,           // \s+
    blanks,           // two spaces U+0020 or more
    sign,             // is_sign
    word_or_signs,    // \w+|[^\w\s]+
  };
  Kind kind = literal;
  int count = 1;
  std::string text = {};
};

/// A match: where it begins and where it ends.
struct Match {
  std::size_t begin, end;
};

/// BERT's punctuation: \p{P} and all of ASCII that is neither letter, digit, space nor control.
inline bool is_sign(char32_t c) {
  if (c < 0x80) return c > 0x20 && c < 0x7f && !is(c, letter | number);
  return is(c, punctuation);
}

namespace detail {

/// Length of a match at the begin of the text, 0 if there is none.
inline std::size_t match_here(const Pattern& p, std::string_view text) {
  Cursor c(text);
  const auto run = [&](auto&& holds, std::size_t most = SIZE_MAX) {
    c.skip(holds, most);
    return c.at();
  };
  switch (p.kind) {
    case Pattern::literal: return text.starts_with(p.text) ? p.text.size() : 0;
    case Pattern::gpt2: return gpt2_word(text);
    case Pattern::llama3: return llama3_word(text, p.count);
    case Pattern::digit: return run(has(number), 1);
    case Pattern::digits: return run(has(number));
    case Pattern::digit_groups: return run(has(number), std::size_t(p.count));
    case Pattern::space_character: return run(has(space), 1);
    case Pattern::spaces: return run(has(space));
    case Pattern::blanks: return c.skip([](char32_t x) { return x == ' '; }) >= 2 ? c.at() : 0;
    case Pattern::sign: return run(is_sign, 1);
    case Pattern::word_or_signs: {
      if (const std::size_t n = run(has(word))) return n;
      return run([](char32_t x) { return !is(x, word | space); });
    }
  }
  return 0;
}

}  // namespace detail

/// The first match that begins at `from` or later. Linear in the distance.
inline std::optional<Match> find(const Pattern& p, std::string_view text, std::size_t from) {
  if (p.kind == Pattern::literal) {
    const std::size_t at = p.text.empty() ? std::string_view::npos : text.find(p.text, from);
    if (at == std::string_view::npos) return {};
    return Match{at, at + p.text.size()};
  }
  while (from < text.size()) {
    if (const std::size_t n = detail::match_here(p, text.substr(from))) return Match{from, from + n};
    from += std::size_t(first_character(text.substr(from)).size);
  }
  return {};
}

/// How long a text of n bytes may become on its way. Real tokenizers stay below 20 n; without a limit, a file of a few
/// bytes could say: 64 times, two of each.
inline std::size_t longest_result(std::size_t n) { return 64 * n + 4096; }

inline void check_result(std::size_t n, std::size_t limit) {
  require(n <= limit, "tokenizer: a text becomes more than 64 times as long");
}

/// Appends `text` to `out`, at most up to `limit`, with each match replaced.
inline void replace_all(const Pattern& p, std::string_view text, std::string_view by, std::string& out,
                        std::size_t limit = SIZE_MAX) {
  std::size_t done = 0;
  for (std::optional<Match> m; (m = find(p, text, done)); done = m->end) {
    out.append(text.substr(done, m->begin - done));
    out.append(by);
    check_result(out.size(), limit);
  }
  out.append(text.substr(done));
}

}  // namespace tenzo::text
