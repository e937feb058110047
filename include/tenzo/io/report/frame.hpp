// The frame of a plot over two axes: grid, ticks, titles, reference lines.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tenzo/io/report/drawing.hpp"
#include "tenzo/io/report/scale.hpp"

namespace tenzo::detail {

/// "title (unit)".
inline std::string axis_title(const plot::Axis& a) {
  return a.unit.empty() ? a.title : a.title.empty() ? a.unit : a.title + " (" + a.unit + ")";
}

inline double widest(const std::vector<std::string>& names) {
  double w = 0;
  for (const std::string& s : names) w = std::max(w, text_width(s, tick_font));
  return w;
}
inline double widest(const std::vector<Tick>& ticks) {
  double w = 0;
  for (const Tick& t : ticks) w = std::max(w, text_width(t.label, tick_font));
  return w;
}

/// Two scales with their pixels, and the ticks on them.
struct Frame {
  Scale x, y;
  std::vector<Tick> x_ticks, y_ticks;

  double left() const { return x.from; }
  double right() const { return x.to; }
  double top() const { return y.to; }
  double bottom() const { return y.from; }
};

struct FrameOptions {
  plot::Axis x{}, y{};
  Extent x_data{}, y_data{};
  Ends x_ends = Ends::tight;
  double right_margin = 18;  // for labels beside the curves
};

/// Lays out the frame in the drawing's box: the ticks of y decide how much is left for x.
inline Frame lay_out(const Drawing& d, const FrameOptions& o) {
  Frame f;
  const double top = axis_title(o.y).empty() ? 14 : 34, bottom = d.height - (axis_title(o.x).empty() ? 28 : 48);
  const double y_count = std::max(2.0, (bottom - top) / 52);
  f.y = make_scale(o.y, o.y_data, Ends::nice, y_count);
  f.y.from = bottom;
  f.y.to = top;
  f.y_ticks = make_ticks(f.y, y_count);
  const double left = widest(f.y_ticks) + 14, right = d.width - o.right_margin;
  const double x_count = std::max(2.0, (right - left) / 85);
  f.x = make_scale(o.x, o.x_data, o.x_ends, x_count);
  f.x.from = left;
  f.x.to = std::max(right, left + 40);
  f.x_ticks = make_ticks(f.x, x_count);
  return f;
}

inline void add_x_axis(Drawing& d, const Frame& f, const plot::Axis& axis) {
  add_line(d, f.left(), f.bottom(), f.right(), f.bottom(), "axis");
  double free_from = -1e9;  // labels that would touch the one before are left out
  for (const Tick& t : f.x_ticks) {
    const double x = f.x(t.value), half = text_width(t.label, tick_font) / 2;
    add_line(d, x, f.bottom(), x, f.bottom() + (t.label.empty() ? 3 : 5), "axis");
    if (t.label.empty() || x - half < free_from) continue;
    free_from = x + half + 8;
    add_text(d, std::min(x, d.width - half - 1), f.bottom() + 19, "tick", t.label, "middle");
  }
  if (!axis_title(axis).empty())
    add_text(d, (f.left() + f.right()) / 2, f.bottom() + 40, "axis-title", axis_title(axis), "middle");
}

inline void add_y_axis(Drawing& d, const Frame& f, const plot::Axis& axis) {
  for (const Tick& t : f.y_ticks) {
    const double y = f.y(t.value);
    if (t.label.empty()) {
      add_line(d, f.left() - 3, y, f.left(), y, "axis");
      continue;
    }
    add_line(d, f.left(), y, f.right(), y, t.value == 0 && !f.y.log ? "grid zero" : "grid");
    add_text(d, f.left() - 8, y + 4.3, "tick", t.label, "end");
  }
  if (!axis_title(axis).empty()) add_text(d, 0, 15, "axis-title", axis_title(axis));
}

/// Reference lines with their names at the end that is less in the way: on the line, to the right or on top.
inline void add_references(Drawing& d, const Frame& f, const std::vector<plot::Reference>& references) {
  for (const plot::Reference& r : references) {
    const Scale& s = r.vertical ? f.x : f.y;
    if (!s.shows(r.value)) continue;
    const double at = s(r.value), width = text_width(r.label, tick_font);
    if (r.vertical) {
      add_line(d, at, f.top(), at, f.bottom(), "reference");
      const bool flip = at + width + 8 > f.right();
      add_text(d, flip ? at - 6 : at + 6, f.top() + 11, "note halo", r.label, flip ? "end" : "start");
    } else {
      add_line(d, f.left(), at, f.right(), at, "reference");
      const bool below = at - 18 < f.top();
      add_text(d, f.right() - 4, below ? at + 15 : at - 6, "note halo", r.label, "end");
    }
  }
}

/// What stands in a frame that has nothing to show.
inline void add_no_data(Drawing& d, double x, double y) { add_text(d, x, y, "note", "no data", "middle"); }

/// Opens a group that is cut off at the frame.
inline void open_clip(Drawing& d, const Frame& f) {
  d.add("<clipPath id=\"", d.id, "-clip\"><rect ", box(f.left() - 4, f.top() - 4, f.right() + 4, f.bottom() + 4),
        "/></clipPath><g clip-path=\"url(#", d.id, "-clip)\">");
}

}  // namespace tenzo::detail
