// Normalizers: what happens to a text before it is cut.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/tokenizer/charsmap.hpp"
#include "tenzo/io/tokenizer/pattern.hpp"
#include "tenzo/io/tokenizer/unicode.hpp"

#if TENZO_DEFINES(text)
#include "tenzo/io/tokenizer/normal_forms.hpp"
#endif

namespace tenzo::text {

/// Lower case, character by character.
struct Lowercase {};

/// NFC or NFD.
struct NormalForm {
  bool composed = true;
};

/// Leaves out nonspacing marks (\p{Mn}), or all marks (\p{M}); after NFD these are the accents.
struct StripAccents {
  bool all_marks = false;
};

/// Leaves out control characters, U+0000 and U+FFFD; other spaces become U+0020.
struct CleanText {};

/// Puts a space on both sides of each Chinese character.
struct SpaceChinese {};

/// Replaces each match.
struct Replace {
  Pattern pattern;
  std::string by;
};

/// Puts a string before a text that is not empty.
struct Prepend {
  std::string text;
};

/// Leaves out spaces at the ends.
struct Strip {
  bool left = true, right = true;
};

/// What SentencePiece does with spaces: leaves out those at the ends and repeated ones (`collapse`), puts one before
/// (`prefix`), and writes each as ▁.
struct SentencePieceSpaces {
  bool collapse = true, prefix = true;
};

using Normalizer = std::variant<Lowercase, NormalForm, StripAccents, CleanText, SpaceChinese, Replace, Prepend, Strip,
                                SentencePieceSpaces, Charsmap>;

#if TENZO_DEFINES(text)
namespace detail {

inline bool is_chinese(char32_t c) {
  constexpr std::pair<char32_t, char32_t> blocks[] = {{0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xf900, 0xfaff},
                                                      {0x20000, 0x2a6df}, {0x2a700, 0x2b81f}, {0x2b920, 0x2ceaf},
                                                      {0x2f800, 0x2fa1f}};
  for (const auto& [first, last] : blocks)
    if (c >= first && c <= last) return true;
  return false;
}

inline void normalize(const Lowercase&, std::string_view text, std::string& out, std::size_t) {
  for_each_character(text, [&](char32_t c, std::string_view) { append_lower(out, c); });
}

inline void normalize(const NormalForm& n, std::string_view text, std::string& out, std::size_t) {
  append_normal_form(text, n.composed, out);
}

inline void normalize(const StripAccents& s, std::string_view text, std::string& out, std::size_t) {
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (!is(c, s.all_marks ? mark : nonspacing)) out.append(bytes);
  });
}

inline void normalize(const CleanText&, std::string_view text, std::string& out, std::size_t) {
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == '\t' || c == '\n' || c == '\r') return out.push_back(' ');
    if (c == replacement_character || c == invalid_byte || is(c, control)) return;
    is(c, space) ? out.push_back(' ') : void(out.append(bytes));
  });
}

inline void normalize(const SpaceChinese&, std::string_view text, std::string& out, std::size_t) {
  for_each_character(text, [&](char32_t c, std::string_view bytes) {
    const bool chinese = is_chinese(c);
    if (chinese) out.push_back(' ');
    out.append(bytes);
    if (chinese) out.push_back(' ');
  });
}

inline void normalize(const Replace& r, std::string_view text, std::string& out, std::size_t limit) {
  replace_all(r.pattern, text, r.by, out, limit);
}

inline void normalize(const Prepend& p, std::string_view text, std::string& out, std::size_t) {
  if (!text.empty()) out.append(p.text).append(text);
}

inline void normalize(const Strip& s, std::string_view text, std::string& out, std::size_t) {
  while (s.left && !text.empty() && is(first_character(text).code, space))
    text.remove_prefix(std::size_t(first_character(text).size));
  while (s.right && !text.empty() && is(last_character(text).code, space))
    text.remove_suffix(std::size_t(last_character(text).size));
  out.append(text);
}

inline void normalize(const SentencePieceSpaces& s, std::string_view text, std::string& out, std::size_t) {
  constexpr std::string_view bar = "▁";
  const std::size_t begin = out.size();
  if (s.prefix) out.append(bar);
  const std::size_t first = out.size();
  bool after_space = s.collapse;
  for (const char c : text) {
    if (c != ' ') {
      out.push_back(c);
    } else if (!after_space) {
      out.append(bar);
    }
    after_space = s.collapse && c == ' ';
  }
  while (s.collapse && out.size() > begin && out.ends_with(bar)) out.resize(out.size() - bar.size());
  if (out.size() == first) out.resize(begin);
}

inline void normalize(const Charsmap& map, std::string_view text, std::string& out, std::size_t limit) {
  map.append_mapped(text, out, limit);
}

}  // namespace detail
#endif

/// The text after all the normalizers, in order. Throws ValueError where it becomes longer than `longest_result`.
TENZO_COMPILED std::string normalized(std::span<const Normalizer> normalizers, std::string_view text);

#if TENZO_DEFINES(text)
TENZO_COMPILED std::string normalized(std::span<const Normalizer> normalizers, std::string_view text) {
  const std::size_t limit = longest_result(text.size());
  std::string now(text), next;
  for (const Normalizer& n : normalizers) {
    next.clear();
    std::visit([&](const auto& one) { detail::normalize(one, now, next, limit); }, n);
    check_result(next.size(), limit);
    now.swap(next);
  }
  return now;
}
#endif

}  // namespace tenzo::text
