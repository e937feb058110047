// Drawing matrices as colours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/report/colour.hpp"
#include "tenzo/io/report/frame.hpp"

namespace tenzo::detail {

inline void check(const plot::HeatMap& p) {
  const auto names_fit = [](const std::vector<std::string>& names, std::int64_t n) {
    return names.empty() || std::int64_t(names.size()) == n;
  };
  expect(p.rows >= 0 && p.columns >= 0 && std::int64_t(p.values.size()) == p.rows * p.columns &&
             names_fit(p.row_names, p.rows) && names_fit(p.column_names, p.columns),
         "plot '", p.title, "': ", p.values.size(), " values, ", p.row_names.size(), " row names, ",
         p.column_names.size(), " column names for a matrix of ", p.rows, " x ", p.columns);
}

inline std::vector<Key> legend_of(const plot::HeatMap&) { return {}; }

/// The values at the ends of the colours; a diverging map has its middle at 0 where it may choose.
inline Scale colour_scale(const plot::HeatMap& p) {
  Extent e;
  e.add(p.values);
  if (p.diverging && !e.empty()) {
    const double reach = std::max(std::abs(e.low), std::abs(e.high));
    e.low = -reach;
    e.high = reach;
  }
  Scale s = make_scale({.low = p.low, .high = p.high}, e, Ends::tight, 5);
  s.from = 0;
  s.to = ramp_steps;
  return s;
}

/// Where the cells stand.
struct CellGrid {
  double left, top, width, height;  // of one cell

  std::string cell(std::int64_t row, std::int64_t column) const {
    return box(left + double(column) * width, top + double(row) * height, left + double(column + 1) * width,
               top + double(row + 1) * height);
  }
};

/// Few cells are elements with their own text; many are one path for each colour, which keeps the page small.
inline void add_cells(Drawing& d, const plot::HeatMap& p, const CellGrid& g, const Scale& colours) {
  const bool few = p.rows * p.columns <= 400;
  const char* ramp = p.diverging ? "v" : "h";
  std::vector<std::string> numbers;  // none where they would not fit
  for (int digits = 3; digits >= 2 && p.numbers && few && g.height >= 14 && numbers.empty(); --digits) {
    numbers = even_texts(p.values, digits);
    if (widest(numbers) > g.width - 2) numbers.clear();
  }
  std::map<int, std::string> paths;
  for (std::int64_t r = 0; r < p.rows; ++r)
    for (std::int64_t c = 0; c < p.columns; ++c) {
      const double v = p.values[std::size_t(r * p.columns + c)];
      const int level = drawable(v) ? int(std::round(colours(std::clamp(v, colours.low, colours.high)))) : -1;
      if (!few) {
        put(paths[level], "M", g.left + double(c) * g.width, " ", g.top + double(r) * g.height, "h", g.width + 0.1, "v",
            g.height + 0.1, "h", -g.width - 0.1, "z");
        continue;
      }
      const std::string fill = level < 0 ? "blank" : ramp + std::to_string(level);
      d.add("<rect class=\"cell ", fill, "\" ", g.cell(r, c), "><title>");
      if (!p.row_names.empty()) d.add(escaped(p.row_names[std::size_t(r)]), ", ");
      if (!p.column_names.empty()) d.add(escaped(p.column_names[std::size_t(c)]), ": ");
      d.add(number_text(v, 4), "</title></rect>");
      if (level >= 0 && !numbers.empty())
        add_text(d, g.left + (double(c) + 0.5) * g.width, g.top + (double(r) + 0.5) * g.height + 4.5,
                 "on-cell t" + fill, numbers[std::size_t(r * p.columns + c)], "middle");
    }
  for (const auto& [level, path] : paths)
    d.add("<path class=\"", level < 0 ? "blank" : ramp + std::to_string(level),
          "\" shape-rendering=\"crispEdges\" d=\"", path, "\"/>");
}

/// The colours with the values that they stand for, to the right of the cells.
inline void add_colour_bar(Drawing& d, const plot::HeatMap& p, Scale colours, double x, double top, double bottom) {
  const char* ramp = p.diverging ? "v" : "h";
  for (int level = 0; level <= ramp_steps; ++level) {
    const double step = (bottom - top) / (ramp_steps + 1);
    d.add("<rect class=\"", ramp + std::to_string(level), "\" shape-rendering=\"crispEdges\" ",
          box(x, bottom - level * step, x + 14, bottom - (level + 1) * step - 0.2), "/>");
  }
  colours.from = bottom;
  colours.to = top;
  for (const Tick& t : make_ticks(colours, std::max(2.0, (bottom - top) / 52))) {
    add_line(d, x + 14, colours(t.value), x + 18, colours(t.value), "axis");
    add_text(d, x + 22, colours(t.value) + 4.3, "tick", t.label);
  }
  if (p.value_title.empty()) return;
  const bool fits = x + text_width(p.value_title, title_font) <= d.width;
  add_text(d, fits ? x : d.width - 1, top - 12, "axis-title", p.value_title, fits ? "start" : "end");
}

/// Names of rows and columns; every k-th where they would touch, columns leaning where they are long.
inline void add_names(Drawing& d, const plot::HeatMap& p, const CellGrid& g, bool leaning) {
  const auto stride = [](double cell, double need) { return std::size_t(std::max(1.0, std::ceil(need / cell))); };
  for (std::size_t r = 0; r < p.row_names.size(); r += stride(g.height, 14))
    add_text(d, g.left - 8, g.top + (double(r) + 0.5) * g.height + 4.3, "tick",
             shortened(p.row_names[r], g.left - 10, tick_font), "end");
  const double bottom = g.top + double(p.rows) * g.height;
  for (std::size_t c = 0; c < p.column_names.size(); c += stride(g.width, leaning ? 16 : 0)) {
    const double x = g.left + (double(c) + 0.5) * g.width;
    if (!leaning) {
      add_text(d, x, bottom + 19, "tick", p.column_names[c], "middle");
      continue;
    }
    d.add("<text class=\"tick\" text-anchor=\"end\" transform=\"translate(", x + 4, " ", bottom + 16,
          ") rotate(-40)\">", escaped(shortened(p.column_names[c], 130, tick_font)), "</text>");
  }
}

inline void draw(const plot::HeatMap& p, Drawing& d) {
  check(p);
  Extent extent;
  extent.add(p.values);
  d.description = "Heat map of " + std::to_string(p.rows) + " rows and " + std::to_string(p.columns) + " columns";
  if (!extent.empty()) d.description += ", values from " + number_text(extent.low) + " to " + number_text(extent.high);
  d.description += ".";
  if (extent.empty()) {
    d.height = 120;
    return add_no_data(d, d.width / 2, 60);
  }
  const Scale colours = colour_scale(p);
  const auto ends_known = [](const plot::Axis& a) { return drawable(a.low) && drawable(a.high) && a.low < a.high; };
  Scale y{p.y.log, p.y.low, p.y.high}, x{p.x.log, p.x.low, p.x.high};
  const bool y_numbers = p.row_names.empty() && ends_known(p.y), x_numbers = p.column_names.empty() && ends_known(p.x);

  const double bar = 26 + widest(make_ticks(colours, 5)) + 22;
  CellGrid g;
  g.left = y_numbers ? widest(make_ticks(y, 6)) + 14 : std::min(widest(p.row_names), 0.35 * d.width) + 10;
  g.top = axis_title(p.y).empty() && p.value_title.empty() ? 6 : 34;
  g.width = std::min((d.width - g.left - bar) / double(p.columns), std::max(110.0, 240.0 / double(p.columns)));
  const double most = (d.narrow() ? 320 : d.width > 700 ? 440 : 360) / double(p.rows);
  g.height = std::clamp(std::min(g.width, most), std::min(22.0, most), 64.0);  // square where there is room
  const bool leaning = widest(p.column_names) > g.width - 4;
  const double right = g.left + g.width * double(p.columns), bottom = g.top + g.height * double(p.rows);
  const double names = p.column_names.empty() ? 0 : leaning ? 12 + 0.7 * std::min(130.0, widest(p.column_names)) : 18;
  d.height = bottom + (x_numbers ? 26 : names + 8) + (axis_title(p.x).empty() ? 0 : 22);

  add_cells(d, p, g, colours);
  add_names(d, p, g, leaning);
  x.from = g.left, x.to = right, y.from = bottom, y.to = g.top;
  if (x_numbers)
    for (const Tick& t : make_ticks(x, (right - g.left) / 85))
      add_line(d, x(t.value), bottom, x(t.value), bottom + 4, "axis"),
          add_text(d, x(t.value), bottom + 19, "tick", t.label, "middle");
  if (y_numbers)
    for (const Tick& t : make_ticks(y, (bottom - g.top) / 52))
      add_line(d, g.left - 4, y(t.value), g.left, y(t.value), "axis"),
          add_text(d, g.left - 8, y(t.value) + 4.3, "tick", t.label, "end");
  if (!axis_title(p.x).empty())
    add_text(d, (g.left + right) / 2, d.height - 5, "axis-title", axis_title(p.x), "middle");
  if (!axis_title(p.y).empty()) add_text(d, 0, 15, "axis-title", axis_title(p.y));
  add_colour_bar(d, p, colours, right + 20, g.top, bottom);
}

}  // namespace tenzo::detail
