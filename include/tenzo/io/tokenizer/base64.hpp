// Base64, as JSON files and web pages carry bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tenzo/core/error.hpp"

namespace tenzo::text {

inline constexpr char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text that stands for the bytes: three of them by four characters, the last padded with '='.
inline std::string base64_encoded(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = bytes.size() - i < 3 ? bytes.size() - i : 3;
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) word = word << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text.push_back(k <= n ? base64_alphabet[word >> (18 - 6 * k) & 63] : '=');
  }
  return text;
}

/// The bytes that a base64 text stands for. Throws ValueError at a character outside the alphabet.
inline std::string base64_decoded(std::string_view text) {
  static constexpr auto value = [] {
    std::array<std::int8_t, 256> table{};
    for (auto& v : table) v = -1;
    for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(base64_alphabet[i])] = std::int8_t(i);
    return table;
  }();
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t word = 0;
  int bits = 0;
  for (std::size_t i = 0; i < text.size() && text[i] != '='; ++i) {
    const int v = value[static_cast<unsigned char>(text[i])];
    require(v >= 0, "base64: character ", i, " is not of its alphabet");
    word = word << 6 | std::uint32_t(v);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(char(word >> bits & 0xff));
  }
  return bytes;
}

}  // namespace tenzo::text
