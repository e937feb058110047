// Properties of characters (Unicode 16.0.0) that normalizers and pre-tokenizers ask for.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <string>

#include "tenzo/io/tokenizer/unicode_data.hpp"
#include "tenzo/io/tokenizer/utf8.hpp"

namespace tenzo::text {

/// Bits of `properties(c)`.
enum Property : std::uint16_t {
  letter = 1,        // \p{L}
  number = 2,        // \p{N}
  space = 4,         // White_Space, the same as \s
  punctuation = 8,   // \p{P}
  nonspacing = 16,   // \p{Mn}
  mark = 32,         // \p{M}
  word = 64,         // \w
  control = 128,     // \p{Cc}, \p{Cf}, \p{Co}
  extending = 256,   // stays with the character before it in a grapheme cluster
  prepending = 512,  // stays with the character after it
};

namespace detail {

/// Value of the run that holds `c`: the low 11 bits of the last entry that begins at or before it.
template <std::size_t N>
std::uint16_t value_in_runs(const std::uint32_t (&runs)[N], char32_t c) {
  return *std::prev(std::upper_bound(std::begin(runs), std::end(runs), std::uint32_t(c) << 11 | 0x7ff)) & 0x7ff;
}

/// Properties of the characters below U+0800 in a table of their own: two bytes in UTF-8, most of what is read.
inline const std::array<std::uint16_t, 0x800>& common_properties() {
  static const auto table = [] {
    std::array<std::uint16_t, 0x800> t;
    for (char32_t c = 0; c < t.size(); ++c) t[c] = value_in_runs(data::character_runs, c);
    return t;
  }();
  return table;
}

}  // namespace detail

/// The set of `Property` bits of a character; none for `invalid_byte`.
inline std::uint16_t properties(char32_t c) {
  const auto& common = detail::common_properties();
  if (c < common.size()) return common[c];
  return c > 0x10ffff ? 0 : detail::value_in_runs(data::character_runs, c);
}

inline bool is(char32_t c, int any_of) { return (properties(c) & any_of) != 0; }

/// Canonical combining class, 0 for what starts a character.
inline int combining_class(char32_t c) {
  return c < 0x300 || c > 0x10ffff ? 0 : detail::value_in_runs(data::combining_runs, c);
}

/// Appends the lower case of one character, without regard to its neighbours.
inline void append_lower(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(char(c >= 'A' && c <= 'Z' ? c + 32 : c));
    return;
  }
  const auto after = std::upper_bound(std::begin(data::lower_runs), std::end(data::lower_runs), c,
                                      [](char32_t x, const data::LowerRun& run) { return x < run.first; });
  const data::LowerRun& run = *std::prev(after);
  const bool inside = c <= run.last && (c - run.first) % std::uint32_t(run.stride) == 0;
  append_utf8(out, inside ? char32_t(std::int32_t(c) + run.delta) : c);
  if (c == 0x130) append_utf8(out, 0x307);  // İ is the one character whose lower case is two
}

}  // namespace tenzo::text
