// The alphabet of byte-level vocabularies: a printable character for each byte, so that tokens are readable strings.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "tenzo/io/tokenizer/utf8.hpp"

namespace tenzo::text {

/// Character of each byte: the printable ones of Latin-1 stand for themselves, the other 68 are U+0100, U+0101, … in
/// order. So a space is Ġ (U+0120), a line feed Ċ (U+010A).
inline constexpr std::array<char32_t, 256> byte_alphabet = [] {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);
    table[b] = printable ? b : next++;
  }
  return table;
}();

/// The byte that a character of the alphabet stands for, −1 for other characters.
inline int byte_of(char32_t c) {
  static constexpr auto inverse = [] {
    std::array<std::int16_t, 0x144> table{};
    for (auto& b : table) b = -1;
    for (std::size_t b = 0; b < 256; ++b) table[byte_alphabet[b]] = std::int16_t(b);
    return table;
  }();
  return c < inverse.size() ? inverse[c] : -1;
}

/// Appends the characters of the bytes.
inline void append_in_byte_alphabet(std::string& out, std::string_view bytes) {
  for (const char b : bytes) append_utf8(out, byte_alphabet[static_cast<unsigned char>(b)]);
}

/// Appends the bytes that a token stands for; a token with a character outside the alphabet stands for its own bytes.
inline void append_bytes_of(std::string& out, std::string_view token) {
  const std::size_t begin = out.size();
  bool inside = true;
  for_each_character(token, [&](char32_t c, std::string_view) {
    const int b = byte_of(c);
    inside = inside && b >= 0;
    out.push_back(char(b));
  });
  if (!inside) out.replace(begin, std::string::npos, token);
}

}  // namespace tenzo::text
