// Drawing histograms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "tenzo/io/report/frame.hpp"

namespace tenzo::detail {

/// The width of the bins by Freedman and Diaconis: 2 · (interquartile range) / n^(1/3); 0 where it says nothing.
inline double freedman_diaconis(std::vector<double> values) {
  if (values.size() < 4) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return 2 * (values[3 * n / 4] - values[n / 4]) / std::cbrt(double(n));
}

/// Equal bins over all series, and each series' counts or shares in them.
struct Bins {
  Scale x;  // in log10 where the axis is
  int count = 0;
  std::vector<std::vector<double>> heights;  // (series, bins)

  double edge(int i) const {
    const double t = double(i) / count;
    return x.log ? std::exp(std::log(x.low) + t * (std::log(x.high) - std::log(x.low))) : x.low + t * (x.high - x.low);
  }
};

inline Bins binned(const plot::Histogram& p) {
  Extent extent{p.x.log};
  std::vector<double> all;
  for (const plot::Samples& s : p.series)
    for (const double v : s.values)
      if (drawable(v, p.x.log)) extent.add(v), all.push_back(p.x.log ? std::log10(v) : v);
  Bins b;
  b.x = make_scale(p.x, extent, Ends::tight, 5);
  const double range = p.x.log ? std::log10(b.x.high) - std::log10(b.x.low) : b.x.high - b.x.low;
  const double width = freedman_diaconis(all);
  b.count = p.bins > 0 ? std::min(p.bins, 500) : width > 0 ? int(std::clamp(std::ceil(range / width), 8.0, 60.0)) : 12;
  b.x.from = 0;
  b.x.to = b.count;
  for (const plot::Samples& s : p.series) {
    std::vector<double> h(std::size_t(b.count), 0.0);
    double n = 0;
    for (const double v : s.values) {
      if (!b.x.shows(v)) continue;
      h[std::size_t(std::clamp(int(b.x(v)), 0, b.count - 1))] += 1;
      n += 1;
    }
    if (p.share && n > 0)
      for (double& v : h) v /= n;
    b.heights.push_back(std::move(h));
  }
  return b;
}

inline std::vector<Key> legend_of(const plot::Histogram& p) {
  std::vector<Key> keys;
  for (std::size_t i = 0; p.series.size() > 1 && i < p.series.size(); ++i)
    keys.push_back({int(i), Key::Shape::area, p.series[i].name});
  return keys;
}

inline void draw(const plot::Histogram& p, Drawing& d) {
  const Bins bins = binned(p);
  FrameOptions o{.x = p.x, .y = {.title = p.share ? "share" : "count", .low = 0}};
  o.x.low = bins.x.low;
  o.x.high = bins.x.high;
  std::size_t total = 0;
  d.description = "Histogram of " + axis_title(p.x) + ".";
  for (std::size_t i = 0; i < p.series.size(); ++i) {
    o.y_data.add(bins.heights[i]);
    std::vector<double> known;
    for (const double v : p.series[i].values)
      if (std::isfinite(v)) known.push_back(v);
    total += known.size();
    std::sort(known.begin(), known.end());
    d.description += " " + p.series[i].name + ": " + std::to_string(known.size()) + " values";
    if (!known.empty()) d.description += ", median " + number_text(known[known.size() / 2]);
    d.description += ".";
  }
  d.height = d.narrow() ? 280 : d.width > 700 ? 380 : 340;
  const Frame f = lay_out(d, o);
  add_y_axis(d, f, o.y);
  add_x_axis(d, f, p.x);
  if (total == 0) return add_no_data(d, (f.left() + f.right()) / 2, (f.top() + f.bottom()) / 2);
  for (std::size_t i = 0; i < p.series.size(); ++i) {
    std::string steps;
    for (int k = 0; k < bins.count; ++k)
      put(steps, k == 0 ? "" : "L", f.x(bins.edge(k)), " ", f.y(bins.heights[i][std::size_t(k)]), "H",
          f.x(bins.edge(k + 1)));
    d.add("<g class=\"series ", colour_class(int(i)), "\"><path class=\"hill\" d=\"M", f.left(), " ", f.bottom(), "L",
          steps, "V", f.bottom(), "z\"/><path class=\"line thin\" d=\"M", steps, "\"/></g>");
  }
  add_references(d, f, p.references);
}

}  // namespace tenzo::detail
