// Images of a report: one, or a grid with names of rows and columns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/report/markup.hpp"
#include "tenzo/io/tokenizer/base64.hpp"

namespace tenzo {

/// Images as a paper shows them: methods by rows, samples by columns.
struct ImageGrid {
  std::vector<std::string> png{};  // the files' bytes, row by row; empty: no image there
  std::int64_t columns = 1;
  std::vector<std::string> column_names{};  // empty, or one a column
  std::vector<std::string> row_names{};     // empty, or one a row
  std::vector<std::string> notes{};         // empty, or a line below each image: "32.1 dB"
  int size = 120;                           // width of an image in pixels, at most
};

namespace detail {

struct PngSize {
  std::uint32_t width = 0, height = 0;
};

/// Reads the size from the head of a PNG file. Throws ValueError where it is none.
inline PngSize png_size(std::string_view png) {
  require(png.size() >= 24 && png.substr(0, 8) == "\x89PNG\r\n\x1a\n" && png.substr(12, 4) == "IHDR",
          "image: ", png.size(), " bytes that are no PNG file");
  const auto word = [&](std::size_t at) {
    std::uint32_t v = 0;
    for (std::size_t i = at; i < at + 4; ++i) v = v << 8 | static_cast<unsigned char>(png[i]);
    return v;
  };
  return {word(16), word(20)};
}

/// An image with its bytes in the page. Small ones keep their pixels sharp when they are enlarged.
TENZO_COMPILED std::string image_tag(std::string_view png, std::string_view alt, int width);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string image_tag(std::string_view png, std::string_view alt, int width) {
  const PngSize size = png_size(png);
  std::string s;
  put(s, "<img alt=\"", escaped(alt), "\" width=\"", std::to_string(width), "\"");
  if (int(size.width) * 3 <= width * 2) s += " class=\"pixels\"";
  return s + " src=\"data:image/png;base64," + text::base64_encoded(png) + "\"/>";
}
#endif

/// An image is shown in its own size, but not smaller than 240 pixels and not wider than the page.
TENZO_COMPILED std::string image_html(std::string_view png, std::string_view alt, std::string_view caption);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string image_html(std::string_view png, std::string_view alt, std::string_view caption) {
  const int width = int(std::clamp<std::uint32_t>(png_size(png).width, 240, 1040));
  return "<figure class=\"image\">" + image_tag(png, alt, width) + std::string(caption) + "</figure>";
}
#endif

TENZO_COMPILED std::string image_grid_html(const ImageGrid& g, std::string_view caption);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string image_grid_html(const ImageGrid& g, std::string_view caption) {
  const auto n = std::int64_t(g.png.size());
  require(g.columns >= 1, "image grid: ", g.columns, " columns");
  const std::int64_t rows = (n + g.columns - 1) / g.columns;
  const auto fits = [](const std::vector<std::string>& names, std::int64_t want) {
    return names.empty() || std::int64_t(names.size()) == want;
  };
  expect(fits(g.column_names, g.columns) && fits(g.row_names, rows) && fits(g.notes, n), "image grid: ", n, " images, ",
         g.column_names.size(), " column names, ", g.row_names.size(), " row names, ", g.notes.size(), " notes for ",
         rows, " x ", g.columns);
  std::string html = "<figure class=\"images\"><div class=\"scroll\"><table>";
  if (!g.column_names.empty()) {
    html += g.row_names.empty() ? "<thead><tr>" : "<thead><tr><td></td>";
    for (const std::string& name : g.column_names) put(html, "<th scope=\"col\">", escaped(name), "</th>");
    html += "</tr></thead>";
  }
  html += "<tbody>";
  for (std::int64_t r = 0; r < rows; ++r) {
    html += "<tr>";
    const std::string row = g.row_names.empty() ? "" : g.row_names[std::size_t(r)];
    if (!g.row_names.empty()) put(html, "<th scope=\"row\">", escaped(row), "</th>");
    for (std::int64_t c = 0; c < g.columns; ++c) {
      const auto i = std::size_t(r * g.columns + c);
      html += "<td>";
      if (std::int64_t(i) < n && !g.png[i].empty()) {
        std::string alt = g.column_names.empty() ? "image " + std::to_string(i + 1) : g.column_names[std::size_t(c)];
        if (!row.empty()) alt = row + ", " + alt;
        html += image_tag(g.png[i], alt, g.size);
      }
      if (std::int64_t(i) < n && !g.notes.empty()) put(html, "<small>", escaped(g.notes[i]), "</small>");
      html += "</td>";
    }
    html += "</tr>";
  }
  return html + "</tbody></table></div>" + std::string(caption) + "</figure>";
}
#endif

}  // namespace detail
}  // namespace tenzo
