// Base64, as JSON files carry bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tenzo/core/error.hpp"

namespace tenzo::text {

/// The bytes that a base64 text stands for. Throws ValueError at a character outside the alphabet.
inline std::string base64_decoded(std::string_view text) {
  static constexpr auto value = [] {
    constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::int8_t, 256> table{};
    for (auto& v : table) v = -1;
    for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(alphabet[i])] = std::int8_t(i);
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
