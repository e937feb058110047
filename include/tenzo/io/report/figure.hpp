// A plot as a figure: its title, its legend, and drawings for wide and for narrow pages.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/report/plots.hpp"

#if TENZO_DEFINES(report)
#include "tenzo/io/report/bars.hpp"
#include "tenzo/io/report/heat_map.hpp"
#include "tenzo/io/report/histogram.hpp"
#include "tenzo/io/report/lines.hpp"
#endif

namespace tenzo::detail {

inline constexpr double wide_width = 1040, half_width = 500, narrow_width = 400;

/// The plot as one SVG element of a width; `of` is its class.
TENZO_COMPILED std::string plot_svg(const plot::Plot& plot, double width, const std::string& id,
                                    std::string_view of = "");

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string plot_svg(const plot::Plot& plot, double width, const std::string& id, std::string_view of) {
  return std::visit(
      [&](const auto& p) {
        Drawing d{.id = id, .width = width};
        draw(p, d);
        std::string svg;
        put(svg, "<svg class=\"plot ", of, "\" role=\"img\" viewBox=\"0 0 ", d.width, " ", d.height,
            "\" aria-labelledby=\"", id, "-title ", id, "-desc\"><title id=\"", id, "-title\">", escaped(p.title),
            "</title><desc id=\"", id, "-desc\">", escaped(d.description), "</desc>", d.body, "</svg>");
        return svg;
      },
      plot);
}
#endif

TENZO_COMPILED std::string figure_html(const plot::Plot& plot, double width, const std::string& id,
                                       std::string_view caption);

#if TENZO_DEFINES(report)
/// Whether the names stand beside the curves, so that a legend is only for narrow pages.
inline bool names_itself(const plot::Plot& plot) {
  const auto* lines = std::get_if<plot::Lines>(&plot);
  return lines && names_at_ends(*lines, curves_of(*lines));
}

TENZO_COMPILED std::string figure_html(const plot::Plot& plot, double width, const std::string& id,
                                       std::string_view caption) {
  std::string html = "<figure class=\"chart\">";
  const std::string title = std::visit([](const auto& p) { return p.title; }, plot);
  const std::vector<Key> keys = std::visit([](const auto& p) { return legend_of(p); }, plot);
  if (!title.empty()) put(html, "<h3>", escaped(title), "</h3>");
  put(html, legend_html(keys, names_itself(plot) ? " on-narrow" : ""), plot_svg(plot, width, id, "on-wide"),
      plot_svg(plot, narrow_width, id + "n", "on-narrow"), caption, "</figure>");
  return html;
}
#endif

}  // namespace tenzo::detail
