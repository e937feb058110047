// A drawing under way: SVG elements in a box of pixels, and the pieces that all plots share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/report/markup.hpp"

namespace tenzo::detail {

inline constexpr int palette_size = 8;
inline constexpr double tick_font = 12.5, title_font = 13;

/// What a plot draws into. It is given a width and an id, and says how high it became and what it shows.
struct Drawing {
  std::string id{};
  double width = 0;
  double height = 0;
  std::string body{};
  std::string description{};

  bool narrow() const { return width < 450; }
  template <class... Parts>
  void add(const Parts&... parts) {
    put(body, parts...);
  }
};

/// The class that carries the colour of a series; -1 is the grey of what others are compared with.
inline std::string colour_class(int colour) { return colour < 0 ? "km" : "k" + std::to_string(colour % palette_size); }

inline void add_line(Drawing& d, double x1, double y1, double x2, double y2, std::string_view of) {
  d.add("<line class=\"", of, "\" x1=\"", x1, "\" y1=\"", y1, "\" x2=\"", x2, "\" y2=\"", y2, "\"/>");
}

inline void add_text(Drawing& d, double x, double y, std::string_view of, std::string_view text,
                     std::string_view anchor = "start") {
  d.add("<text class=\"", of, "\" x=\"", x, "\" y=\"", y, "\"");
  if (anchor != "start") d.add(" text-anchor=\"", anchor, "\"");
  d.add(">", escaped(text), "</text>");
}

/// A rectangle between two corners, given in any order.
inline std::string box(double x1, double y1, double x2, double y2) {
  std::string s;
  put(s, "x=\"", std::min(x1, x2), "\" y=\"", std::min(y1, y2), "\" width=\"", std::abs(x2 - x1), "\" height=\"",
      std::abs(y2 - y1), "\"");
  return s;
}

/// A point's sign, another shape for each of four neighbours in the palette: colour is never the only difference.
inline std::string sign_path(int colour, double x, double y, double r = 3.6) {
  std::string s;
  switch (std::max(0, colour) % 4) {
    case 0:
      put(s, "M", x - r, " ", y, "a", r, " ", r, " 0 1 0 ", 2 * r, " 0a", r, " ", r, " 0 1 0 ", -2 * r, " 0z");
      break;
    case 1: put(s, "M", x - 0.9 * r, " ", y - 0.9 * r, "h", 1.8 * r, "v", 1.8 * r, "h", -1.8 * r, "z"); break;
    case 2: put(s, "M", x, " ", y - 1.2 * r, "l", 1.15 * r, " ", 2.1 * r, "h", -2.3 * r, "z"); break;
    default:
      put(s, "M", x, " ", y - 1.3 * r, "l", 1.3 * r, " ", 1.3 * r, "l", -1.3 * r, " ", 1.3 * r, "l", -1.3 * r, " ",
          -1.3 * r, "z");
  }
  return s;
}

/// A text broken at spaces into lines that fit, as far as its words do.
inline std::vector<std::string> wrapped(std::string_view text, double width, double font) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
    if (lines.back().empty() || text_width(longer, font) <= width) lines.back() = std::move(longer);
    else lines.push_back(word);
  }
  return lines;
}

/// A text cut to a width, with "…" for what is lost.
inline std::string shortened(std::string s, double width, double font) {
  if (text_width(s, font) <= width) return s;
  while (!s.empty() && text_width(s, font) + font > width) {
    do s.pop_back();
    while (!s.empty() && (static_cast<unsigned char>(s.back()) & 0xc0) == 0x80);
    if (!s.empty() && (static_cast<unsigned char>(s.back()) & 0xc0) == 0xc0) s.pop_back();
  }
  return s + "…";
}

/// Positions moved apart to a least distance, within [low, high] as far as they fit, their order kept.
inline std::vector<double> spread(const std::vector<double>& wanted, double gap, double low, double high) {
  std::vector<std::size_t> order(wanted.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> at = wanted;
  double next = low;
  for (const std::size_t i : order) {
    at[i] = std::max(at[i], next);
    next = at[i] + gap;
  }
  next = high;
  for (std::size_t k = order.size(); k-- > 0;) {
    at[order[k]] = std::min(at[order[k]], next);
    next = at[order[k]] - gap;
  }
  return at;
}

/// One entry of a legend.
struct Key {
  enum class Shape { line, dashes, sign, area, tick };
  int colour;
  Shape shape;
  std::string name;
};

/// A list of what colours and signs stand for; nothing where there is nothing to tell apart.
inline std::string legend_html(const std::vector<Key>& keys, std::string_view more_class = "") {
  if (keys.empty()) return "";
  std::string html = "<ul class=\"legend" + std::string(more_class) + "\">";
  for (const Key& k : keys) {
    const int width = k.shape == Key::Shape::area || k.shape == Key::Shape::sign ? 12 : 22;
    put(html, "<li class=\"", colour_class(k.colour), "\"><svg viewBox=\"0 0 ", width, " 12\" width=\"", width,
        "\" height=\"12\" aria-hidden=\"true\">");
    switch (k.shape) {
      case Key::Shape::line: html += "<path class=\"line\" d=\"M1 6h20\"/>"; break;
      case Key::Shape::dashes: html += "<path class=\"line dashed\" d=\"M1 6h20\"/>"; break;
      case Key::Shape::sign: put(html, "<path class=\"sign\" d=\"", sign_path(k.colour, 6, 6, 4), "\"/>"); break;
      case Key::Shape::area: html += "<rect class=\"bar\" x=\"0\" y=\"0\" width=\"12\" height=\"12\" rx=\"2\"/>"; break;
      case Key::Shape::tick: html += "<path class=\"mark\" d=\"M3 6h16\"/>"; break;
    }
    put(html, "</svg>", escaped(k.name), "</li>");
  }
  return html + "</ul>";
}

}  // namespace tenzo::detail
