// The regular expressions by which the known vocabularies cut text into words, each as a scanner made by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tenzo/io/tokenizer/unicode.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"

namespace tenzo::text {

namespace detail {

/// Neither space nor letter nor number: [^\s\p{L}\p{N}].
inline bool is_other(char32_t c) { return !is(c, space | letter | number); }

/// A place in the text and the character there; at the end the character is `invalid_byte` of size 0.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) { read(); }

  bool ends() const { return here_.size == 0; }
  char32_t operator*() const { return here_.code; }
  std::size_t at() const { return at_; }
  Cursor next() const { return Cursor(text_, at_ + std::size_t(here_.size)); }

  void step() {
    at_ += std::size_t(here_.size);
    read();
  }

  /// Steps over characters that hold; returns how many, at most `most`.
  template <class Holds>
  std::size_t skip(Holds&& holds, std::size_t most = SIZE_MAX) {
    std::size_t n = 0;
    for (; n < most && !ends() && holds(here_.code); ++n) step();
    return n;
  }

 private:
  Cursor(std::string_view text, std::size_t at) : text_(text), at_(at) { read(); }
  void read() { here_ = at_ < text_.size() ? first_character(text_.substr(at_)) : Character{invalid_byte, 0}; }

  std::string_view text_;
  std::size_t at_ = 0;
  Character here_;
};

inline auto has(int any_of) {
  return [any_of](char32_t c) { return is(c, any_of); };
}

/// Length of 's 't 're 've 'm 'll 'd at the begin of the text, else 0.
inline std::size_t contraction(std::string_view text, bool any_case) {
  Cursor c(text);
  if (*c != '\'') return 0;
  const auto letter_here = [&]() -> char32_t {
    if (!any_case) return *c;
    if (*c == 0x17f) return 's';  // ſ is an s in another case
    return *c >= 'A' && *c <= 'Z' ? *c + 32 : *c;
  };
  c.step();
  const char32_t first = letter_here();
  c.step();
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return c.at();
  const char32_t second = letter_here();
  c.step();
  const bool pair =
      (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
  return pair ? c.at() : 0;
}

/// Length of `\s+(?!\S)|\s+` at a space: the run of spaces, but for its last one where a word follows a longer run.
inline std::size_t space_run(std::string_view text) {
  Cursor c(text);
  std::size_t last = 0;
  while (is(*c, space)) {
    last = c.at();
    c.step();
  }
  return c.ends() || last == 0 ? c.at() : last;
}

}  // namespace detail

/// Length of the first match of GPT-2's pattern; the text is not empty, and the matches cover it without gaps:
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline std::size_t gpt2_word(std::string_view text) {
  using namespace detail;
  if (const std::size_t n = contraction(text, false)) return n;
  Cursor c(text);
  if (*c == ' ') c.step();
  if (c.skip(has(letter)) || c.skip(has(number)) || c.skip(is_other)) return c.at();
  return space_run(text);
}

/// Length of the first match of the pattern of Llama 3 (three digits) and Qwen 2 (one digit):
///   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
///   ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
inline std::size_t llama3_word(std::string_view text, int digits) {
  using namespace detail;
  const auto is_line_end = [](char32_t x) { return x == '\r' || x == '\n'; };
  if (const std::size_t n = contraction(text, true)) return n;
  Cursor c(text);
  if (is(*c, letter) || (!is_line_end(*c) && !is(*c, number) && is(*c.next(), letter))) {
    c.step();
    c.skip(has(letter));
    return c.at();
  }
  if (c.skip(has(number), std::size_t(digits))) return c.at();
  if (*c == ' ') c.step();
  if (c.skip(is_other)) {
    c.skip(is_line_end);
    return c.at();
  }
  std::size_t lines = 0;  // through the last line end of the run of spaces
  for (Cursor s(text); is(*s, space);) {
    const bool line_end = is_line_end(*s);
    s.step();
    if (line_end) lines = s.at();
  }
  return lines > 0 ? lines : space_run(text);
}

}  // namespace tenzo::text
