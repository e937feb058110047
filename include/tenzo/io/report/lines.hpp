// Drawing curves and clouds of points.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/io/report/frame.hpp"
#include "tenzo/io/report/thin.hpp"

namespace tenzo::detail {

/// A series with the x that it left out, a colour, and NaN for what its axes can not show.
struct Curve {
  const plot::Series& of;
  int colour;
  std::vector<double> x, y;

  bool has_line() const { return of.style != plot::Series::Style::points; }
  bool has_signs() const { return of.style != plot::Series::Style::line; }
  bool dashed() const { return of.dashed || colour >= palette_size; }  // where the palette begins anew
  bool has_range() const { return !of.low.empty(); }
  /// The last point that is drawn; -1 where there is none.
  std::int64_t last() const {
    for (auto i = std::int64_t(y.size()) - 1; i >= 0; --i)
      if (std::isfinite(y[std::size_t(i)])) return i;
    return -1;
  }
};

inline std::vector<Curve> curves_of(const plot::Lines& p) {
  std::vector<Curve> curves;
  int colour = 0;
  for (const plot::Series& s : p.series) {
    const std::size_t n = s.y.size();
    expect((s.x.empty() || s.x.size() == n) && s.low.size() == s.high.size() && (s.low.empty() || s.low.size() == n),
           "plot '", p.title, "': series '", s.name, "' has ", s.x.size(), " x, ", n, " y, ", s.low.size(), " low, ",
           s.high.size(), " high; want as many of each, or none but y");
    Curve c{s, s.muted ? -1 : colour++, s.x, s.y};
    for (std::size_t i = 0; i < n; ++i) {
      if (s.x.empty()) c.x.push_back(double(i));
      if (!drawable(c.x[i], p.x.log) || !drawable(c.y[i], p.y.log)) c.y[i] = NAN;
    }
    curves.push_back(std::move(c));
  }
  return curves;
}

inline FrameOptions extents_of(const plot::Lines& p, const std::vector<Curve>& curves) {
  FrameOptions o{.x = p.x, .y = p.y, .x_data = {p.x.log}, .y_data = {p.y.log}};
  for (const Curve& c : curves) {
    for (std::size_t i = 0; i < c.y.size(); ++i) {
      if (!std::isfinite(c.y[i])) continue;
      o.x_data.add(c.x[i]);
      o.y_data.add(c.y[i]);
      if (c.has_range()) o.y_data.add(c.of.low[i]), o.y_data.add(c.of.high[i]);
    }
    if (!c.has_line()) o.x_ends = Ends::nice;  // no point on the frame itself
  }
  for (const plot::Reference& r : p.references) (r.vertical ? o.x_data : o.y_data).add(r.value);
  return o;
}

/// Names stand at the ends of the curves where all of them reach the right side, and there is room for them.
inline bool names_at_ends(const plot::Lines& p, const std::vector<Curve>& curves) {
  const FrameOptions o = extents_of(p, curves);
  if (o.x_data.empty() || curves.size() > 7 || drawable(p.x.high)) return false;
  const Scale x = make_scale(p.x, o.x_data, o.x_ends, 5);
  return std::all_of(curves.begin(), curves.end(), [&](const Curve& c) {
    const std::int64_t last = c.last();
    return c.has_line() && last >= 0 && x(c.x[std::size_t(last)]) > 0.9 && text_width(c.of.name, tick_font) <= 150;
  });
}

inline std::vector<Key> legend_of(const plot::Lines& p) {
  std::vector<Key> keys;
  for (const Curve& c : curves_of(p))
    if (!c.of.name.empty())
      keys.push_back({c.colour,
                      !c.has_line() ? Key::Shape::sign
                      : c.dashed()  ? Key::Shape::dashes
                                    : Key::Shape::line,
                      c.of.name});
  return keys;
}

inline void add_curve(Drawing& d, const Frame& f, const Curve& c) {
  std::string path, alone;
  bool down = false;
  const std::vector<std::int64_t> kept = thinned(c.y);
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto i = std::size_t(kept[k]);
    if (!std::isfinite(c.y[i])) {
      down = false;
      continue;
    }
    const bool ends = k + 1 == kept.size() || !std::isfinite(c.y[std::size_t(kept[k + 1])]);
    if (!down && ends) alone += sign_path(0, f.x(c.x[i]), f.y(c.y[i]), 2.4);
    else put(path, down ? "L" : "M", f.x(c.x[i]), " ", f.y(c.y[i]));
    down = true;
  }
  if (!path.empty())
    d.add("<path class=\"line", kept.size() > 200 ? " thin" : "", c.dashed() ? " dashed" : "", "\" d=\"", path, "\"/>");
  if (!alone.empty()) d.add("<path class=\"bar\" d=\"", alone, "\"/>");
}

inline void add_band(Drawing& d, const Frame& f, const Curve& c) {
  const std::vector<BandPoint> band = thinned_band(c.x, c.of.low, c.of.high);
  const auto y = [&](double v) { return f.y(f.y.log ? std::max(v, f.y.low) : v); };
  const auto known = [&](const BandPoint& p) { return drawable(p.x, f.x.log) && drawable(p.high, f.y.log); };
  std::string path;
  for (std::size_t i = 0; i < band.size(); ++i) {
    if (!known(band[i])) continue;
    std::size_t end = i;
    while (end < band.size() && known(band[end])) ++end;
    for (std::size_t k = i; k < end; ++k) put(path, k == i ? "M" : "L", f.x(band[k].x), " ", y(band[k].high));
    for (std::size_t k = end; k-- > i;) put(path, "L", f.x(band[k].x), " ", y(band[k].low));
    path += 'z';
    i = end;
  }
  if (!path.empty()) d.add("<path class=\"band\" d=\"", path, "\"/>");
}

/// Points with their error bars; a cloud of more than `most` shows every k-th.
inline void add_points(Drawing& d, const Frame& f, const Curve& c, const plot::Lines& p) {
  constexpr std::size_t most = 2000;
  const std::size_t stride = (c.y.size() + most - 1) / most;
  const bool told = c.y.size() <= 200;
  for (std::size_t i = 0; i < c.y.size(); i += stride) {
    if (!std::isfinite(c.y[i])) continue;
    const double x = f.x(c.x[i]), y = f.y(c.y[i]);
    if (c.has_range() && !c.has_line() && drawable(c.of.low[i]) && drawable(c.of.high[i], f.y.log)) {
      const double low = f.y(f.y.log ? std::max(c.of.low[i], f.y.low) : c.of.low[i]), high = f.y(c.of.high[i]);
      d.add("<path class=\"whisker\" d=\"M", x, " ", low, "V", high, "M", x - 4, " ", low, "h8M", x - 4, " ", high,
            "h8\"/>");
    }
    d.add("<path class=\"sign\" d=\"", sign_path(c.colour, x, y, c.y.size() > 300 ? 2.4 : 3.8), "\"");
    if (told)
      d.add("><title>", escaped(c.of.name), c.of.name.empty() ? "" : ": ", escaped(p.x.title), " ",
            number_text(c.x[i], 4), ", ", escaped(p.y.title), " ", number_text(c.y[i], 4), "</title></path>");
    else d.add("/>");
  }
}

inline void add_names_at_ends(Drawing& d, const Frame& f, const std::vector<Curve>& curves) {
  std::vector<double> ends;
  for (const Curve& c : curves) ends.push_back(std::clamp(f.y(c.y[std::size_t(c.last())]), f.top(), f.bottom()));
  const std::vector<double> at = spread(ends, 17, f.top(), f.bottom());
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const Curve& c = curves[i];
    if (c.of.name.empty()) continue;
    const double x = f.x(c.x[std::size_t(c.last())]), label = f.right() + 30;
    d.add("<g class=\"series ", colour_class(c.colour), "\"><path class=\"leader\" d=\"M", x + 4, " ", ends[i], "L",
          f.right() + 16, " ", at[i], "H", label - 5, "\"/>");
    add_text(d, label, at[i] + 4.3, "name", c.of.name);
    d.add("</g>");
  }
}

inline std::string described(const plot::Lines& p, const std::vector<Curve>& curves) {
  std::string s = "Plot of " + axis_title(p.y) + " over " + axis_title(p.x) + ".";
  for (const Curve& c : curves) {
    Extent y;
    y.add(c.y);
    s += " " + (c.of.name.empty() ? "Series" : c.of.name) + ": ";
    if (c.last() < 0) {
      s += "no data.";
      continue;
    }
    const auto first = std::find_if(c.y.begin(), c.y.end(), [](double v) { return std::isfinite(v); });
    s += std::to_string(c.y.size()) + " points, first " + number_text(*first) + ", last " +
         number_text(c.y[std::size_t(c.last())]) + ", lowest " + number_text(y.low) + ", highest " +
         number_text(y.high) + ".";
  }
  return s;
}

inline void draw(const plot::Lines& p, Drawing& d) {
  const std::vector<Curve> curves = curves_of(p);
  FrameOptions o = extents_of(p, curves);
  const bool names = !d.narrow() && names_at_ends(p, curves);
  if (names) {
    for (const Curve& c : curves)
      if (!c.of.name.empty()) o.right_margin = std::max(o.right_margin, text_width(c.of.name, tick_font) + 34);
  }
  d.height = d.narrow() ? 300 : d.width > 700 ? 420 : 360;
  d.description = described(p, curves);
  const Frame f = lay_out(d, o);
  add_y_axis(d, f, p.y);
  add_x_axis(d, f, p.x);
  if (o.x_data.empty()) return add_no_data(d, (f.left() + f.right()) / 2, (f.top() + f.bottom()) / 2);
  open_clip(d, f);
  for (const Curve& c : curves)
    if (c.has_range() && c.has_line())
      d.add("<g class=\"series ", colour_class(c.colour), "\">"), add_band(d, f, c), d.add("</g>");
  for (const Curve& c : curves) {
    d.add("<g class=\"series ", colour_class(c.colour), "\">");
    if (c.has_line()) add_curve(d, f, c);
    if (c.has_signs()) add_points(d, f, c, p);
    d.add("</g>");
  }
  d.add("</g>");
  add_references(d, f, p.references);
  if (names) add_names_at_ends(d, f, curves);
}

}  // namespace tenzo::detail
