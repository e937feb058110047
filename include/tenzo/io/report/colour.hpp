// Colours of heat maps: ramps that are even to the eye, one for light pages and one for dark ones.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenzo::detail {

/// A colour in linear light, 0 to 1.
struct Colour {
  double red, green, blue;
};

inline Colour colour(std::uint32_t rgb) {
  const auto linear = [](std::uint32_t byte) {
    const double c = double(byte & 0xff) / 255;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return {linear(rgb >> 16), linear(rgb >> 8), linear(rgb)};
}

/// "#rrggbb".
inline std::string hex(const Colour& c) {
  std::string s = "#";
  for (const double v : {c.red, c.green, c.blue}) {
    const double x = std::clamp(v, 0.0, 1.0);
    const int byte = int(std::round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055)));
    s += "0123456789abcdef"[byte / 16];
    s += "0123456789abcdef"[byte % 16];
  }
  return s;
}

/// Relative luminance and contrast, as the Web Content Accessibility Guidelines define them.
inline double luminance(const Colour& c) { return 0.2126 * c.red + 0.7152 * c.green + 0.0722 * c.blue; }
inline double contrast(const Colour& a, const Colour& b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

/// Lightness and the two opponent axes of OKLab, where equal steps look equal.
///   Source  B. Ottosson, "A perceptual color space for image processing", 2020.
using Lab = std::array<double, 3>;
inline Lab oklab(const Colour& c) {
  const double l = std::cbrt(0.4122214708 * c.red + 0.5363325363 * c.green + 0.0514459929 * c.blue);
  const double m = std::cbrt(0.2119034982 * c.red + 0.6806995451 * c.green + 0.1073969566 * c.blue);
  const double s = std::cbrt(0.0883024619 * c.red + 0.2817188376 * c.green + 0.6299787005 * c.blue);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}
inline Colour from_oklab(const Lab& c) {
  const auto cube = [](double x) { return x * x * x; };
  const double l = cube(c[0] + 0.3963377774 * c[1] + 0.2158037573 * c[2]);
  const double m = cube(c[0] - 0.1055613458 * c[1] - 0.0638541728 * c[2]);
  const double s = cube(c[0] - 0.0894841775 * c[1] - 1.2914855480 * c[2]);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

inline constexpr int ramp_steps = 64;  // level 0 to 64

/// The colour of a level on the way through a ramp's stops.
inline Colour ramp_colour(const std::vector<std::uint32_t>& stops, int level) {
  const double at = double(level) / ramp_steps * double(stops.size() - 1);
  const std::size_t i = std::min(std::size_t(at), stops.size() - 2);
  const Lab a = oklab(colour(stops[i])), b = oklab(colour(stops[i + 1]));
  Lab c;
  for (std::size_t k = 0; k < 3; ++k) c[k] = a[k] + (at - double(i)) * (b[k] - a[k]);
  return from_oklab(c);
}

/// The ramps as style rules: `.h7` fills with level 7 of the ramp from pale to strong, `.v7` with that of the diverging
/// one; `.th7`, `.tv7` are the colour of a number on it, white or near black, whichever reads better.
inline std::string ramp_rules(bool dark) {
  const std::vector<std::uint32_t> even =
      dark ? std::vector<std::uint32_t>{0x1c2634, 0x1f4a80, 0x3a7fd0, 0x83bcf5, 0xeaf5ff}
           : std::vector<std::uint32_t>{0xf0f5fb, 0xa8cdee, 0x4b93d6, 0x1f55a5, 0x14275c};
  const std::vector<std::uint32_t> diverging =
      dark ? std::vector<std::uint32_t>{0xffb27a, 0xc8642e, 0x222932, 0x3f7fd2, 0xa9d2ff}
           : std::vector<std::uint32_t>{0x8a3413, 0xe08a5c, 0xf5f4f1, 0x6aa3df, 0x163c7c};
  std::string css;
  const auto rule = [&](const char* name, int level, const Colour& c) {
    const std::string n = name + std::to_string(level);
    const bool white = contrast(c, {1, 1, 1}) >= contrast(c, colour(0x10151c));
    css += "." + n + "{fill:" + hex(c) + "}.t" + n + "{fill:" + (white ? "#fff" : "#10151c") + "}";
  };
  for (int level = 0; level <= ramp_steps; ++level) {
    rule("h", level, ramp_colour(even, level));
    rule("v", level, ramp_colour(diverging, level));
  }
  return css;
}

}  // namespace tenzo::detail
