// Unicode normal forms NFD (decomposed) and NFC (composed).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/tokenizer/unicode.hpp"

namespace tenzo::text {

namespace detail {

/// Hangul syllables are arithmetic: lead L, vowel V and an optional trail T.
namespace hangul {
inline constexpr char32_t syllable = 0xac00, lead = 0x1100, vowel = 0x1161, trail = 0x11a7;
inline constexpr char32_t vowels = 21, trails = 28, syllables = 19 * vowels * trails;
}  // namespace hangul

inline constexpr std::uint64_t code_mask = 0x1fffff;

/// Appends the full canonical decomposition of a character.
inline void decompose(char32_t c, std::vector<char32_t>& out) {
  using namespace hangul;
  if (c < 0xc0) return out.push_back(c);
  if (c - syllable < syllables) {
    const char32_t i = c - syllable;
    out.push_back(lead + i / (vowels * trails));
    out.push_back(vowel + i / trails % vowels);
    if (i % trails != 0) out.push_back(trail + i % trails);
    return;
  }
  const auto* const end = std::end(data::decompositions);
  const auto* const entry = std::lower_bound(std::begin(data::decompositions), end, std::uint64_t(c) << 42);
  if (c > 0x10ffff || entry == end || *entry >> 42 != c) return out.push_back(c);
  decompose(char32_t(*entry >> 21 & code_mask), out);
  if (const auto second = char32_t(*entry & code_mask)) decompose(second, out);
}

/// The character that the pair composes to, 0 if there is none.
inline char32_t composed(char32_t a, char32_t b) {
  using namespace hangul;
  if (a - lead < 19 && b - vowel < vowels) return syllable + ((a - lead) * vowels + (b - vowel)) * trails;
  if (a - syllable < syllables && (a - syllable) % trails == 0 && b - trail - 1 < trails - 1) return a + (b - trail);
  const std::uint64_t pair = std::uint64_t(a) << 21 | b;
  const auto pair_of = [](std::uint16_t i) { return data::decompositions[i] & ((std::uint64_t(1) << 42) - 1); };
  const auto* const end = std::end(data::compositions);
  const auto* const at = std::lower_bound(std::begin(data::compositions), end, pair,
                                          [&](std::uint16_t i, std::uint64_t p) { return pair_of(i) < p; });
  return at != end && pair_of(*at) == pair ? char32_t(data::decompositions[*at] >> 42) : 0;
}

/// Puts marks that follow one another into the order of their combining classes; keeps the order of equal ones.
inline void order_marks(std::vector<char32_t>& s) {
  const auto is_start = [](char32_t c) { return combining_class(c) == 0; };
  for (auto mark = s.begin(); mark != s.end();) {
    mark = std::find_if_not(mark, s.end(), is_start);
    const auto end = std::find_if(mark, s.end(), is_start);
    std::stable_sort(mark, end, [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    mark = end;
  }
}

/// Joins each start with what follows it, in place, where nothing between blocks it.
inline void compose(std::vector<char32_t>& s) {
  std::size_t kept = 0, start = SIZE_MAX;
  int before = 0;  // class of the last character kept after the start
  for (const char32_t c : s) {
    const int rank = combining_class(c);
    if (start != SIZE_MAX) {
      const bool adjacent = kept == start + 1;
      const char32_t joined = adjacent || before < rank ? composed(s[start], c) : 0;
      if (joined != 0) {
        s[start] = joined;
        continue;
      }
    }
    if (rank == 0) start = kept;
    before = rank;
    s[kept++] = c;
  }
  s.resize(kept);
}

inline bool is_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace detail

/// Appends the normal form of the text: NFC if `compose`, else NFD. Bytes that are no UTF-8 become U+FFFD.
inline void append_normal_form(std::string_view text, bool compose, std::string& out) {
  if (detail::is_ascii(text)) return void(out.append(text));
  std::vector<char32_t> codes;
  codes.reserve(text.size());
  for_each_character(text, [&](char32_t c, std::string_view) {
    detail::decompose(c == invalid_byte ? replacement_character : c, codes);
  });
  detail::order_marks(codes);
  if (compose) detail::compose(codes);
  for (const char32_t c : codes) append_utf8(out, c);
}

}  // namespace tenzo::text
