// Writing HTML and SVG: escaped text, coordinates, and how wide a text will be.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include "tenzo/io/tokenizer/utf8.hpp"

namespace tenzo::detail {

/// Text that can stand between tags and in an attribute's quotes, of XML as of HTML. Bytes that are no UTF-8 and
/// control characters, which neither allows, become U+FFFD.
inline std::string escaped(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size();) {
    const text::Character c = text::first_character(s.substr(i));
    i += std::size_t(c.size);
    const bool control = (c.code < 0x20 && c.code != '\n' && c.code != '\t') || (c.code >= 0x7f && c.code < 0xa0);
    const bool outside = c.code == text::invalid_byte || c.code == 0xfffe || c.code == 0xffff;
    switch (c.code) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: text::append_utf8(out, control || outside ? text::replacement_character : c.code);
    }
  }
  return out;
}

/// A coordinate, in tenths of a pixel: no locale, no exponent, never out of a picture's reach.
inline std::string px(double v) {
  v = std::isnan(v) ? 0 : std::clamp(v, -1e5, 1e5);
  v = std::round(v * 10) / 10 + 0.0;  // + 0.0: no "-0"
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::fixed).ptr;
  return {buffer, end};
}

/// Appends markup: texts as they are, numbers by `px`.
template <class... Parts>
void put(std::string& out, const Parts&... parts) {
  const auto one = [&out]<class T>(const T& part) {
    if constexpr (std::is_arithmetic_v<T> && !std::same_as<T, char>) out += px(double(part));
    else out += part;
  };
  (one(parts), ...);
}

/// Width of a text in a sans-serif face, within some 10 %: enough to leave room for it.
inline double text_width(std::string_view s, double font_size) {
  double em = 0;
  while (!s.empty()) {
    const text::Character c = text::first_character(s);
    s.remove_prefix(std::size_t(c.size));
    const auto is_of = [&](std::string_view set) { return c.code < 0x80 && set.find(char(c.code)) != set.npos; };
    if (is_of("iljI.,:;|!'")) {
      em += 0.29;
    } else if (is_of("frt()[] /-")) {
      em += 0.37;
    } else if (is_of("mwMW%@")) {
      em += 0.86;
    } else if (c.code >= 'A' && c.code <= 'Z') {
      em += 0.69;
    } else {
      em += c.code < 0x2e80 ? 0.56 : 1.0;  // the wide scripts begin there
    }
  }
  return em * font_size;
}

}  // namespace tenzo::detail
