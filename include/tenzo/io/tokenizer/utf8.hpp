// UTF-8: bytes to characters and back, for any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenzo::text {

/// Stands for a byte that belongs to no valid character. It has no property: no letter, no space, no digit.
inline constexpr char32_t invalid_byte = 0xffffffff;

/// What Unicode puts in the place of something unreadable.
inline constexpr char32_t replacement_character = 0xfffd;

/// A character and the number of bytes that it takes.
struct Character {
  char32_t code;
  int size;
};

/// The character at the begin of `s`, which is not empty. Surrogates, overlong forms, code points above U+10FFFF and
/// cut sequences are not valid: then `invalid_byte` of size 1.
inline Character first_character(std::string_view s) {
  const auto byte = [&](std::size_t i) { return std::uint32_t(static_cast<unsigned char>(s[i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size == 0 || s.size() < std::size_t(size)) return {invalid_byte, 1};
  std::uint32_t code = lead & (0x7fu >> size);
  for (int i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {invalid_byte, 1};
    code = code << 6 | (byte(i) & 0x3f);
  }
  const bool overlong = code < (size == 3 ? 0x800u : size == 4 ? 0x10000u : 0x80u);
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (overlong || surrogate || code > 0x10ffff) return {invalid_byte, 1};
  return {code, size};
}

/// The character that ends at the end of `s`, which is not empty.
inline Character last_character(std::string_view s) {
  for (std::size_t size = 2; size <= 4 && size <= s.size(); ++size) {
    const Character c = first_character(s.substr(s.size() - size));
    if (std::size_t(c.size) == size) return c;
  }
  const Character c = first_character(s.substr(s.size() - 1));
  return c;
}

/// Appends the character; `invalid_byte` and what is no code point as U+FFFD.
inline void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) c = replacement_character;
  const auto put = [&](std::uint32_t byte) { out.push_back(char(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

/// Calls f(character, its bytes) for each character of `s` in order.
template <class F>
void for_each_character(std::string_view s, F&& f) {
  while (!s.empty()) {
    const Character c = first_character(s);
    f(c.code, s.substr(0, std::size_t(c.size)));
    s.remove_prefix(std::size_t(c.size));
  }
}

}  // namespace tenzo::text
