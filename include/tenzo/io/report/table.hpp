// Tables of a report.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/report/markup.hpp"

namespace tenzo {

enum class Align { automatic, left, right, centre };
enum class Best { none, lowest, highest };

/// A heading over several columns: the paper's beside ours.
struct ColumnGroup {
  std::string name{};
  int columns = 1;
};

struct TableOptions {
  std::string caption{};                   // above the table, behind its number
  std::string footnote{};                  // below it
  std::vector<Align> align{};              // by column; automatic: numbers to the right, all else to the left
  std::vector<Best> best{};                // by column: which of its numbers is made to stand out
  std::vector<std::int64_t> unranked{};    // rows that are not asked for the best: a bound, another kind of method
  std::vector<std::int64_t> emphasised{};  // rows to stand out: ours
  std::vector<std::int64_t> ruled{};       // rows with a rule above them: where a new kind begins
  std::vector<ColumnGroup> groups{};       // over all columns, or none
};

using TableRow = std::vector<std::string>;

namespace detail {

/// The number that a cell begins with, "1,234 ± 5" or "−0.5 %"; none where it begins with something else.
inline std::optional<double> leading_number(std::string_view cell) {
  std::string plain;
  for (std::size_t i = 0; i < cell.size();) {
    const text::Character c = text::first_character(cell.substr(i));
    i += std::size_t(c.size);
    if (c.code == 0x2212) {
      plain += '-';
    } else if (c.code != ',' && c.code < 0x80) {
      if (!(c.code == ' ' && plain.empty())) plain += char(c.code);
    } else if (c.code != ',') {
      break;
    }
  }
  const char* begin = plain.c_str();
  begin += *begin == '+';
  double v = 0;
  if (std::from_chars(begin, plain.c_str() + plain.size(), v).ec != std::errc() || !std::isfinite(v)) return {};
  return v;
}

/// Whether a list of rows names this one.
inline bool listed(const std::vector<std::int64_t>& list, std::size_t row) {
  return std::find(list.begin(), list.end(), std::int64_t(row)) != list.end();
}

/// Whether a column is one of numbers: most of what it says begins with one.
inline bool is_numeric(const std::vector<TableRow>& rows, std::size_t column) {
  std::int64_t said = 0, numbers = 0;
  for (const TableRow& r : rows) {
    if (r[column].empty() || r[column] == "–") continue;
    ++said;
    numbers += leading_number(r[column]).has_value();
  }
  return said > 0 && 2 * numbers > said;
}

inline std::string align_class(const TableOptions& o, const std::vector<TableRow>& rows, std::size_t column) {
  Align a = column < o.align.size() ? o.align[column] : Align::automatic;
  if (a == Align::automatic) a = is_numeric(rows, column) ? Align::right : Align::left;
  return a == Align::right ? "r" : a == Align::centre ? "c" : "l";
}

/// The best number of a column, to which all its equals are best too.
inline std::optional<double> best_of(const std::vector<TableRow>& rows, std::size_t column, const TableOptions& o) {
  std::optional<double> top;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const auto v = leading_number(rows[r][column]);
    if (!v || listed(o.unranked, r)) continue;
    if (!top || (o.best[column] == Best::lowest ? *v < *top : *v > *top)) top = v;
  }
  return top;
}

TENZO_COMPILED std::string table_html(const TableRow& headers, const std::vector<TableRow>& rows, const TableOptions& o,
                                      std::string_view caption);

#if TENZO_DEFINES(report)
TENZO_COMPILED std::string table_html(const TableRow& headers, const std::vector<TableRow>& rows, const TableOptions& o,
                                      std::string_view caption) {
  std::int64_t grouped = 0;
  for (const ColumnGroup& g : o.groups) grouped += g.columns;
  expect(o.groups.empty() || grouped == std::int64_t(headers.size()), "table: groups of ", grouped, " columns over ",
         headers.size());
  for (const TableRow& r : rows)
    expect(r.size() == headers.size(), "table: a row of ", r.size(), " cells under ", headers.size(), " headers");

  std::string html = "<figure class=\"table\">";
  if (!caption.empty()) put(html, "<figcaption>", caption, "</figcaption>");
  html += "<div class=\"scroll\"><table><thead>";
  if (!o.groups.empty()) {
    html += "<tr class=\"groups\">";
    for (const ColumnGroup& g : o.groups) {
      const std::string span = std::to_string(g.columns);
      if (g.name.empty()) put(html, "<td colspan=\"", span, "\"></td>");
      else put(html, "<th scope=\"colgroup\" colspan=\"", span, "\"><span>", escaped(g.name), "</span></th>");
    }
    html += "</tr>";
  }
  html += "<tr>";
  std::vector<std::string> align;
  std::vector<std::optional<double>> best;
  for (std::size_t c = 0; c < headers.size(); ++c) {
    align.push_back(align_class(o, rows, c));
    best.push_back(c < o.best.size() && o.best[c] != Best::none ? best_of(rows, c, o) : std::nullopt);
    put(html, "<th scope=\"col\" class=\"", align[c], "\">", escaped(headers[c]), "</th>");
  }
  html += "</tr></thead><tbody>";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    put(html, "<tr class=\"", listed(o.emphasised, r) ? "ours" : "", listed(o.ruled, r) ? " ruled" : "", "\">");
    for (std::size_t c = 0; c < headers.size(); ++c) {
      const std::string cell = escaped(rows[r][c]);
      if (c == 0) {
        put(html, "<th scope=\"row\" class=\"", align[c], "\">", cell, "</th>");
      } else if (best[c] && !listed(o.unranked, r) && leading_number(rows[r][c]) == best[c]) {
        put(html, "<td class=\"", align[c], "\"><strong class=\"best\">", cell, "</strong></td>");
      } else {
        put(html, "<td class=\"", align[c], "\">", cell, "</td>");
      }
    }
    html += "</tr>";
  }
  html += "</tbody></table></div>";
  if (!o.footnote.empty()) put(html, "<p class=\"footnote\">", escaped(o.footnote), "</p>");
  return html + "</figure>";
}
#endif

}  // namespace detail
}  // namespace tenzo
