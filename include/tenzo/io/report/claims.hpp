// Claims of a report: what was claimed, what was measured, and whether it holds, at a glance.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/claim.hpp"
#include "tenzo/io/report/drawing.hpp"
#include "tenzo/io/report/number.hpp"
#include "tenzo/io/report/scale.hpp"

namespace tenzo::detail {

inline bool has_interval(const Claim& c) { return drawable(c.ci95[0]) && drawable(c.ci95[1]); }

/// The value as a point with its interval, the threshold as a tick, all on a line of their own scale.
inline std::string claim_picture(const Claim& c) {
  if (!drawable(c.value)) return "";
  Extent e;
  e.add(c.value), e.add(c.threshold);
  if (has_interval(c)) e.add(c.ci95[0]), e.add(c.ci95[1]);
  if (e.low == e.high) e.low -= 1, e.high += 1;
  const double width = 220, margin = 14, y = 13;
  const Scale s{false, e.low, e.high, margin, width - margin};
  Drawing d{.width = width};
  add_line(d, 2, y, width - 2, y, "rail");
  if (has_interval(c)) add_line(d, s(c.ci95[0]), y, s(c.ci95[1]), y, "interval");
  if (drawable(c.threshold)) add_line(d, s(c.threshold), y - 9, s(c.threshold), y + 9, "mark");
  d.add("<circle class=\"point\" cx=\"", s(c.value), "\" cy=\"", y, "\" r=\"5.5\"/>");
  return "<svg class=\"gauge\" viewBox=\"0 0 220 26\" aria-hidden=\"true\">" + d.body + "</svg>";
}

inline std::string outcome_mark(bool holds) {
  return std::string(
             "<span class=\"outcome\"><svg viewBox=\"0 0 24 24\" width=\"26\" height=\"26\" aria-hidden=\"true\">") +
         "<circle class=\"disc\" cx=\"12\" cy=\"12\" r=\"11\"/><path class=\"sign-on\" d=\"" +
         (holds ? "M6.8 12.6l3.5 3.5 7-7.6" : "M8 8l8 8M16 8l-8 8") + "\"/></svg><span class=\"said\">" +
         (holds ? "holds" : "does not hold") + "</span></span>";
}

/// "2.01", "threshold ≥ 1.80", "95 % interval 1.96 … 2.07, 5 seeds".
inline std::string measured_html(const Claim& c) {
  const std::vector<std::string> said = even_texts({c.value, c.ci95[0], c.ci95[1]});
  std::string html = "<p class=\"value\"><b>" + (std::isnan(c.value) ? "not measured" : said[0]) + "</b>";
  if (!std::isnan(c.threshold))
    put(html, " <span>threshold ", escaped(c.relation), c.relation.empty() ? "" : " ", shortest_text(c.threshold),
        "</span>");
  put(html, "</p>", claim_picture(c), "<p class=\"spread\">");
  if (has_interval(c)) put(html, "95 % interval ", said[1], " … ", said[2], ", ");
  return html + std::to_string(c.seeds) + (c.seeds == 1 ? " seed</p>" : " seeds</p>");
}

inline std::string claim_html(const Claim& c) {
  std::string html;
  put(html, "<li class=\"claim ", c.holds ? "holds" : "fails", "\">", outcome_mark(c.holds),
      "<div class=\"what\"><p><b>", escaped(c.id), "</b> ", escaped(c.statement), "</p>");
  if (!c.reason.empty()) put(html, "<p class=\"reason\">", escaped(c.reason), "</p>");
  else if (!c.holds)
    put(html, "<p class=\"reason\">",
        std::isfinite(c.value) ? "The measured value is on the wrong side of the threshold."
                               : "It could not be measured in this run.",
        "</p>");
  return html + "</div><div class=\"measured\">" + measured_html(c) + "</div></li>";
}

/// All claims, under a line that counts those that hold.
TENZO_COMPILED std::string claims_html(const std::vector<Claim>& claims);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string claims_html(const std::vector<Claim>& claims) {
  if (claims.empty()) return "<p>No claim was put to the test in this run.</p>";
  const auto held = std::count_if(claims.begin(), claims.end(), [](const Claim& c) { return c.holds; });
  std::string html = "<div class=\"claims\"><p class=\"tally\"><b>" + std::to_string(held) + " of " +
                     std::to_string(claims.size()) +
                     "</b> claims hold in this run<span class=\"pips\" aria-hidden=\"true\">";
  for (const Claim& c : claims) html += c.holds ? "<i class=\"holds\"></i>" : "<i class=\"fails\"></i>";
  html += "</span></p><ul>";
  for (const Claim& c : claims) html += claim_html(c);
  return html + "</ul></div>";
}
#endif

}  // namespace tenzo::detail
