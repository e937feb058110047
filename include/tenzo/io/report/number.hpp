// Numbers as people read them, the same in every locale.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenzo {
namespace detail {

/// With so many digits after the point, and "−", "∞", "–" for minus, infinite and not a number.
inline std::string fixed_text(double x, int decimals) {
  if (std::isnan(x)) return "–";
  if (std::isinf(x)) return x > 0 ? "∞" : "−∞";
  char buffer[400];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::fixed, std::max(0, decimals)).ptr;
  std::string s(buffer, end);
  if (s.front() != '-') return s;
  s.erase(0, 1);
  return s.find_first_not_of("0.") == s.npos ? s : "−" + s;  // no minus before a zero
}

/// 12345678 → "12,345,678", from five digits on.
inline std::string parted_text(std::string s) {
  const std::size_t begin = s.find_first_of("0123456789");
  const std::size_t end = begin == s.npos ? begin : std::min(s.size(), s.find_first_not_of("0123456789", begin));
  if (begin == s.npos || end - begin < 5) return s;
  for (std::size_t i = end - 3; i > begin; i = i > begin + 3 ? i - 3 : begin) s.insert(i, ",");
  return s;
}

/// 10ⁿ.
inline std::string power_of_ten_text(int n) {
  static constexpr std::string_view digit[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string s = n < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(n))) s += digit[c - '0'];
  return s;
}

/// The n of x = m · 10ⁿ with 1 <= |m| < 10, once |m| is rounded to so many digits; 0 for 0.
inline int decimal_exponent(double x, int digits) {
  if (x == 0 || !std::isfinite(x)) return 0;
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x, std::chars_format::scientific, digits - 1).ptr;
  const char* e = std::find(buffer, end, 'e') + 1;
  const bool negative = *e == '-';
  int n = 0;
  std::from_chars(e + 1, end, n);
  return negative ? -n : n;
}

/// x / 10ⁿ where 10ⁿ itself may not be a double.
inline double scaled_down(double x, int n) {
  return std::abs(n) < 300 ? x / std::pow(10, n) : x / std::pow(10, n / 2) / std::pow(10, n - n / 2);
}

}  // namespace detail

/// A number with so many significant digits: 0.0123, 1,234,568, 1.20×10⁻⁵; integers below a million whole, "–" for NaN.
inline std::string number_text(double x, int digits = 3) {
  if (!std::isfinite(x)) return detail::fixed_text(x, 0);
  if (x == std::round(x) && std::abs(x) < 1e6) return detail::parted_text(detail::fixed_text(x, 0));
  const int n = detail::decimal_exponent(x, digits);
  if (n >= -4 && n < 9) return detail::parted_text(detail::fixed_text(x, digits - 1 - n));
  return detail::fixed_text(detail::scaled_down(x, n), digits - 1) + "×" + detail::power_of_ten_text(n);
}

/// A number that someone chose, with no more digits than it has: 0.1, 2, 1.10 as 1.1.
inline std::string shortest_text(double x) {
  std::string s = number_text(x, 6);
  if (s.find('.') == s.npos || s.find("×") != s.npos) return s;
  s.erase(s.find_last_not_of('0') + 1);
  if (s.back() == '.') s.pop_back();
  return s;
}

/// Numbers that stand beside each other, with as many decimals as the largest needs for so many digits, and fewer where
/// all have zeros there: 0.60, 0.59; 548, 1640.
inline std::vector<std::string> even_texts(const std::vector<double>& values, int digits = 3) {
  double largest = 0;
  for (const double v : values)
    if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
  const int n = detail::decimal_exponent(largest, digits);
  std::vector<std::string> texts;
  if (n < -3 || n >= 9) {
    for (const double v : values) texts.push_back(number_text(v, digits));
    return texts;
  }
  const int most = std::max(0, digits - 1 - n);
  int decimals = 0;
  for (const double v : values) {
    const std::string s = detail::fixed_text(v, most);
    const std::size_t point = s.find('.');
    if (point != s.npos) decimals = std::max(decimals, int(s.find_last_not_of('0')) - int(point));
  }
  for (const double v : values) texts.push_back(detail::parted_text(detail::fixed_text(v, decimals)));
  return texts;
}

/// A number with a prefix of the SI before its unit: si_text(1.62e9, "B") → "1.62 GB".
inline std::string si_text(double x, std::string_view unit = "", int digits = 3) {
  static constexpr std::string_view prefix[] = {"n", "µ", "m", "", "k", "M", "G", "T", "P"};
  if (!std::isfinite(x)) return detail::fixed_text(x, 0);
  const int n = detail::decimal_exponent(x, digits);
  const int thousands = std::clamp(n >= 0 ? n / 3 : -((2 - n) / 3), -3, 5);
  const double value = x / std::pow(1000.0, thousands);
  const std::string s = detail::fixed_text(value, value == std::round(value) ? 0 : digits - 1 - (n - 3 * thousands));
  const std::string tail = std::string(prefix[thousands + 3]) + std::string(unit);
  return tail.empty() ? s : s + " " + tail;
}

}  // namespace tenzo
