// Drawing bars: standing in groups, or lying on their side where names are long.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/report/frame.hpp"

namespace tenzo::detail {

/// Where bars stand: `along` runs over the categories, `value` over the values; one of them is x, the other y.
struct BarFrame {
  bool sideways = false;
  Scale value{};
  double begin = 0, end = 0;  // along
  double group = 0, thickness = 0;

  double base() const { return value(std::clamp(0.0, value.low, value.high)); }
  std::string rectangle(double a1, double a2, double v1, double v2) const {
    return sideways ? box(v1, a1, v2, a2) : box(a1, v1, a2, v2);
  }
  void line(Drawing& d, double a1, double v1, double a2, double v2, std::string_view of) const {
    sideways ? add_line(d, v1, a1, v2, a2, of) : add_line(d, a1, v1, a2, v2, of);
  }
};

inline void check(const plot::Bars& p) {
  for (const plot::BarSeries& s : p.series) {
    const std::size_t n = p.categories.size();
    const auto fits = [n](const std::vector<double>& v) { return v.empty() || v.size() == n; };
    expect(s.value.size() == n && fits(s.low) && fits(s.high) && fits(s.mark) && s.low.empty() == s.high.empty(),
           "plot '", p.title, "': series '", s.name, "' has ", s.value.size(), " values, ", s.low.size(), " low, ",
           s.high.size(), " high, ", s.mark.size(), " marks; want ", n, ", one a category");
  }
}

inline bool has_marks(const plot::Bars& p) {
  return std::any_of(p.series.begin(), p.series.end(), [](const plot::BarSeries& s) {
    return std::any_of(s.mark.begin(), s.mark.end(), [](double v) { return std::isfinite(v); });
  });
}

inline std::vector<Key> legend_of(const plot::Bars& p) {
  std::vector<Key> keys;
  for (std::size_t i = 0; p.series.size() > 1 && i < p.series.size(); ++i)
    keys.push_back({int(i), Key::Shape::area, p.series[i].name});
  if (has_marks(p)) keys.push_back({-1, Key::Shape::tick, p.mark_name});
  return keys;
}

/// Sums of a category's bars, upwards and downwards, when they are stacked.
struct Stack {
  double up = 0, down = 0;
};
inline Stack stack_of(const plot::Bars& p, std::size_t category) {
  Stack s;
  for (const plot::BarSeries& b : p.series) {
    const double v = b.value[category];
    if (drawable(v)) (v > 0 ? s.up : s.down) += v;
  }
  return s;
}

inline Extent extent_of(const plot::Bars& p) {
  Extent e{p.value.log};
  if (!p.value.log) e.add(0.0);
  for (const plot::BarSeries& s : p.series) {
    if (!p.stacked) e.add(s.value), e.add(s.low), e.add(s.high);
    e.add(s.mark);
  }
  for (std::size_t c = 0; p.stacked && c < p.categories.size(); ++c)
    e.add(stack_of(p, c).up), e.add(stack_of(p, c).down);
  for (const plot::Reference& r : p.references) e.add(r.value);
  return e;
}

/// One bar with its error bar, its mark, and its number beyond all of them.
struct Bar {
  int colour;
  double from, value;                        // pixels at the base and at the value
  double a1, a2;                             // along
  double low = NAN, high = NAN, mark = NAN;  // values
  std::string number{}, told{};
};

inline void add_bar(Drawing& d, const BarFrame& f, const Bar& b) {
  const auto inside = [&](double v) { return std::clamp(v, f.value.low, f.value.high); };
  d.add("<g class=\"series ", colour_class(b.colour), "\"><rect class=\"bar\" ",
        f.rectangle(b.a1, b.a2, b.from, b.value), " rx=\"2\"><title>", escaped(b.told), "</title></rect>");
  const double middle = (b.a1 + b.a2) / 2;
  double reach = b.value;  // how far anything of this bar goes
  const bool forward = b.value == b.from || (b.value > b.from) == (f.value.to > f.value.from);
  const auto further = [&](double px) {
    const bool more = (px > reach) == (f.value.to > f.value.from);
    if (more == forward) reach = px;
  };
  if (drawable(b.low, f.value.log) && drawable(b.high, f.value.log)) {
    const double low = f.value(inside(b.low)), high = f.value(inside(b.high)), half = std::min(5.0, (b.a2 - b.a1) / 3);
    f.line(d, middle, low, middle, high, "error");
    f.line(d, middle - half, low, middle + half, low, "error");
    f.line(d, middle - half, high, middle + half, high, "error");
    further(forward ? high : low);
  }
  if (f.value.shows(b.mark)) {
    f.line(d, b.a1 - 3, f.value(b.mark), b.a2 + 3, f.value(b.mark), "mark");
    further(f.value(b.mark));
  }
  if (!b.number.empty()) {
    if (f.sideways)
      add_text(d, forward ? reach + 7 : reach - 7, middle + 4.3, "number halo", b.number, forward ? "start" : "end");
    else add_text(d, middle, forward ? reach - 6 : reach + 15, "number halo", b.number, "middle");
  }
  d.add("</g>");
}

/// "category, series: value (low to high), predicted mark".
inline std::string told(const plot::Bars& p, const plot::BarSeries& s, std::size_t c) {
  std::string t = p.categories[c];
  if (!s.name.empty()) t += ", " + s.name;
  t += ": " + number_text(s.value[c], 4);
  if (!p.stacked && !s.low.empty()) t += " (" + number_text(s.low[c], 4) + " to " + number_text(s.high[c], 4) + ")";
  if (!s.mark.empty() && std::isfinite(s.mark[c])) t += ", " + p.mark_name + " " + number_text(s.mark[c], 4);
  return t;
}

/// The numbers beside the bars, series by series in each category; of stacked ones the sum, beside the last.
inline std::vector<std::string> number_texts(const plot::Bars& p, int digits) {
  std::vector<double> values;
  for (std::size_t c = 0; c < p.categories.size(); ++c) {
    if (p.stacked) values.push_back(stack_of(p, c).up + stack_of(p, c).down);
    for (std::size_t i = 0; !p.stacked && i < p.series.size(); ++i) values.push_back(p.series[i].value[c]);
  }
  return even_texts(values, digits);
}

inline void add_bars(Drawing& d, const BarFrame& f, const plot::Bars& p, const std::vector<std::string>& numbers) {
  const std::size_t lanes = p.stacked ? 1 : std::max<std::size_t>(1, p.series.size());
  for (std::size_t c = 0; c < p.categories.size(); ++c) {
    const double centre = f.begin + (double(c) + 0.5) * f.group;
    Stack at;
    std::size_t last = 0;  // of the stacked series that have a bar here
    for (std::size_t i = 0; i < p.series.size(); ++i)
      if (drawable(p.series[i].value[c], f.value.log) && p.series[i].value[c] != 0) last = i;
    for (std::size_t i = 0; i < p.series.size(); ++i) {
      const plot::BarSeries& s = p.series[i];
      const double lane = p.stacked ? 0 : double(i) - double(lanes - 1) / 2;
      const double middle = centre + lane * (f.thickness + 2), half = f.thickness / 2;
      const double v = s.value[c];
      if (!drawable(v, f.value.log)) {
        if (!p.stacked)
          f.sideways ? add_text(d, f.base() + 7, middle + 4.3, "note", "–")
                     : add_text(d, middle, f.base() - 6, "note", "–", "middle");
        continue;
      }
      const auto inside = [&](double x) { return std::clamp(x, f.value.low, f.value.high); };
      Bar b{int(i), f.base(), f.value(inside(v)), middle - half, middle + half};
      b.told = told(p, s, c);
      if (!s.mark.empty()) b.mark = s.mark[c];
      if (p.stacked) {
        double& sum = v > 0 ? at.up : at.down;
        b.from = f.value(inside(sum));
        b.value = f.value(inside(sum += v));
        if (!numbers.empty() && i == last) b.number = numbers[c];
      } else {
        if (!s.low.empty()) b.low = s.low[c], b.high = s.high[c];
        if (!numbers.empty()) b.number = numbers[c * p.series.size() + i];
      }
      add_bar(d, f, b);
    }
  }
}

inline void draw_sideways(const plot::Bars& p, Drawing& d) {
  const double lanes = p.stacked ? 1 : double(std::max<std::size_t>(1, p.series.size()));
  BarFrame f{.sideways = true};
  f.thickness = lanes > 1 ? 16 : 22;
  f.group = lanes * (f.thickness + 2) + 16;
  f.begin = p.references.empty() ? 6 : 22;
  f.end = f.begin + f.group * double(p.categories.size());
  d.height = f.end + (axis_title(p.value).empty() ? 28 : 48);
  double left = 0;
  std::vector<std::vector<std::string>> names;
  for (const std::string& c : p.categories) {
    names.push_back(wrapped(c, 0.36 * d.width, title_font));
    if (names.back().size() > 2) names.back() = {names.back()[0], names.back()[1] + " …"};
    for (const std::string& line : names.back()) left = std::max(left, text_width(line, title_font));
  }
  left = std::min(left, 0.42 * d.width) + 14;
  const std::vector<std::string> numbers = p.numbers ? number_texts(p, 3) : std::vector<std::string>();
  const double right = d.width - 12 - (p.numbers ? widest(numbers) + 8 : 0), count = std::max(2.0, (right - left) / 90);
  f.value = make_scale(p.value, extent_of(p), Ends::nice, count);
  f.value.from = left;
  f.value.to = std::max(right, left + 40);
  for (const Tick& t : make_ticks(f.value, count)) {
    if (t.label.empty()) continue;
    const double x = f.value(t.value);
    add_line(d, x, f.begin, x, f.end, "grid");
    add_text(d, x, f.end + 19, "tick", t.label, "middle");
  }
  if (!axis_title(p.value).empty())
    add_text(d, (f.value.from + f.value.to) / 2, f.end + 40, "axis-title", axis_title(p.value), "middle");
  for (std::size_t c = 0; c < names.size(); ++c)
    for (std::size_t l = 0; l < names[c].size(); ++l)
      add_text(d, left - 10,
               f.begin + (double(c) + 0.5) * f.group + 4.5 + 15 * (double(l) - double(names[c].size() - 1) / 2),
               "category", shortened(names[c][l], left - 12, title_font), "end");
  add_bars(d, f, p, numbers);
  add_line(d, f.base(), f.begin, f.base(), f.end, "axis");
  Frame around{f.value, {.low = 0, .high = 1, .from = f.end, .to = f.begin - 16}, {}, {}};
  for (plot::Reference r : p.references) {
    r.vertical = true;
    add_references(d, around, {r});
  }
}

inline void draw_standing(const plot::Bars& p, Drawing& d, const std::vector<std::vector<std::string>>& names) {
  const double lanes = p.stacked ? 1 : double(std::max<std::size_t>(1, p.series.size()));
  std::size_t rows = 1;
  for (const auto& lines : names) rows = std::max(rows, lines.size());
  d.height = (d.narrow() ? 280 : d.width > 700 ? 380 : 340) + 16.0 * double(rows - 1);
  const double top = axis_title(p.value).empty() ? 20 : 46, bottom = d.height - 14 - 16.0 * double(rows);
  const double count = std::max(2.0, (bottom - top) / 52);
  BarFrame f;
  f.value = make_scale(p.value, extent_of(p), Ends::nice, count);
  f.value.from = bottom;
  f.value.to = top;
  Frame around{{}, f.value, {}, make_ticks(f.value, count)};
  double beside = 0;  // room for the names of references
  for (const plot::Reference& r : p.references) beside = std::max(beside, text_width(r.label, tick_font) + 6);
  f.begin = around.x.from = widest(around.y_ticks) + 14;
  f.end = around.x.to = d.width - 4 - beside;
  f.group = (f.end - f.begin) / double(std::max<std::size_t>(1, p.categories.size()));
  f.thickness = std::clamp(f.group * (lanes > 1 ? 0.8 : 0.6) / lanes - 2, 2.0, 64.0);
  add_y_axis(d, around, p.value);
  const double room = (lanes == 1 ? f.group : f.thickness + 2) - 3;
  std::vector<std::string> numbers;
  for (int digits = 3; digits >= 2 && p.numbers && numbers.empty(); --digits) {
    numbers = number_texts(p, digits);
    if (widest(numbers) > room) numbers.clear();
  }
  add_bars(d, f, p, numbers);
  add_line(d, f.begin, f.base(), f.end, f.base(), "axis");
  for (std::size_t c = 0; c < names.size(); ++c)
    for (std::size_t l = 0; l < names[c].size(); ++l)
      add_text(d, f.begin + (double(c) + 0.5) * f.group, bottom + 19 + 16.0 * double(l), "category", names[c][l],
               "middle");
  for (const plot::Reference& r : p.references) {
    if (!f.value.shows(r.value)) continue;
    add_line(d, f.begin, f.value(r.value), f.end, f.value(r.value), "reference");
    add_text(d, f.end + 6, f.value(r.value) + 4.3, "note", r.label);
  }
}

inline void draw(const plot::Bars& p, Drawing& d) {
  check(p);
  d.description = "Bars of " + axis_title(p.value) + ".";
  for (std::size_t c = 0; c < p.categories.size(); ++c)
    for (const plot::BarSeries& s : p.series) d.description += " " + told(p, s, c) + ".";
  if (p.categories.empty() || p.series.empty()) {
    d.height = 120;
    return add_no_data(d, d.width / 2, 60);
  }
  const double room = (d.width - 60) / double(p.categories.size()) - 8;
  std::vector<std::vector<std::string>> names;
  const double lanes = p.stacked ? 1 : double(p.series.size());
  bool stand = d.width < 700 || room / lanes < 180;  // few bars look lost on a wide page
  stand = stand && double(p.categories.size()) * lanes * 12 < d.width - 60;
  for (const std::string& c : p.categories) {
    names.push_back(wrapped(c, room, title_font));
    for (const std::string& line : names.back()) stand = stand && text_width(line, title_font) <= room;
    stand = stand && names.back().size() <= 3;
  }
  stand ? draw_standing(p, d, names) : draw_sideways(p, d);
}

}  // namespace tenzo::detail
