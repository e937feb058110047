// Reports: one page of HTML that holds all it shows, for a browser, a talk, or paper.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/claim.hpp"
#include "tenzo/io/report/claims.hpp"
#include "tenzo/io/report/figure.hpp"
#include "tenzo/io/report/images.hpp"
#include "tenzo/io/report/number.hpp"
#include "tenzo/io/report/plots.hpp"
#include "tenzo/io/report/style.hpp"
#include "tenzo/io/report/table.hpp"

namespace tenzo {

/// A number that the page opens with: {"held-out accuracy", "0.51 → 0.59", "mean of three seeds"}.
struct Tile {
  std::string name{}, figure{}, note{};
};

/// A plot with what it shows in words.
struct Figure {
  plot::Plot plot{};
  std::string caption{};
};

/// A self-contained page: no script, no font, no picture from elsewhere. Its parts appear in the order of the calls;
/// every text is escaped.
///
///   Report r("Zeroth-order fine-tuning", "SmolLM2-135M on movie reviews");
///   r.section("Loss");
///   r.figure(plot::Lines{.title = "Training loss", .x = {"forward passes"}, .y = {"loss"}, .series = {...}}, "...");
///   r.claims({{.id = "C1", .statement = "...", .value = 2.02, .threshold = 1.8, .holds = true}});
///   r.write("out/report.html");
class Report {
 public:
  explicit Report(std::string title, std::string subtitle = "")
      : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

  /// Begins a part of the page, with its heading.
  Report& section(const std::string& heading) {
    close_section();
    sections_.push_back(heading);
    detail::put(body_, "<section aria-labelledby=\"s", count(sections_), "\"><h2 id=\"s", count(sections_), "\">",
                detail::escaped(heading), "</h2>");
    return *this;
  }

  /// Paragraphs, parted by empty lines. `code` between backticks is set as such.
  TENZO_COMPILED Report& text(std::string_view text);

  /// Lines as they are: a command, a log.
  Report& code(std::string_view lines) {
    detail::put(body_, "<pre>", detail::escaped(lines), "</pre>");
    return *this;
  }

  /// Numbers in large type.
  TENZO_COMPILED Report& tiles(const std::vector<Tile>& tiles);

  /// A table. Throws ShapeError where a row has not as many cells as there are headers.
  Report& table(const TableRow& headers, const std::vector<TableRow>& rows, const TableOptions& options = {}) {
    const std::string caption = options.caption.empty() ? "" : numbered("Table", ++tables_, options.caption);
    body_ += detail::table_html(headers, rows, options, caption);
    return *this;
  }

  /// A plot over the width of the page. Throws ShapeError where its data do not fit together.
  Report& figure(const plot::Plot& plot, const std::string& caption = "") {
    add_figure({plot, caption}, detail::wide_width);
    return *this;
  }

  /// Plots side by side, two in a row.
  Report& figures(const std::vector<Figure>& figures) {
    body_ += "<div class=\"pair\">";
    for (const Figure& f : figures) add_figure(f, detail::half_width);
    body_ += "</div>";
    return *this;
  }

  /// An image, from the bytes of a PNG file. `alt` says it in words to those who can not see it; else the caption does.
  Report& image(std::string_view png, const std::string& caption = "", const std::string& alt = "") {
    body_ += detail::image_html(png, alt.empty() ? caption : alt, figure_caption(caption));
    return *this;
  }

  Report& image_grid(const ImageGrid& grid, const std::string& caption = "") {
    body_ += detail::image_grid_html(grid, figure_caption(caption));
    return *this;
  }

  /// What was claimed and what was measured, each with its interval and a mark: holds, or does not hold and why.
  Report& claims(const std::vector<Claim>& claims) {
    body_ += detail::claims_html(claims);
    return *this;
  }

  /// A line at the end of the page: how it was made.
  Report& footer(std::string text) {
    footer_ = std::move(text);
    return *this;
  }

  TENZO_COMPILED std::string html() const;

  /// Replaces the file by the page as it is now. Throws FileError.
  void write(const std::string& path) const { write_file(path, html()); }

 private:
  static std::string count(const std::vector<std::string>& list) { return std::to_string(list.size()); }

  static std::string inline_html(std::string_view text) {
    std::string html;
    while (!text.empty()) {
      const std::size_t open = text.find('`'), close = open == text.npos ? open : text.find('`', open + 1);
      html += detail::escaped(text.substr(0, close == text.npos ? text.npos : open));
      if (close == text.npos) break;
      html += "<code>" + detail::escaped(text.substr(open + 1, close - open - 1)) + "</code>";
      text.remove_prefix(close + 1);
    }
    return html;
  }

  static std::string numbered(std::string_view kind, int number, std::string_view caption) {
    std::string s;
    detail::put(s, "<b>", kind, " ", std::to_string(number), ".</b> ", inline_html(caption));
    return s;
  }
  std::string figure_caption(const std::string& caption) {
    ++figures_;
    return caption.empty() ? "" : "<figcaption>" + numbered("Figure", figures_, caption) + "</figcaption>";
  }

  void add_figure(const Figure& f, double width) {
    const std::string caption = figure_caption(f.caption);
    body_ += detail::figure_html(f.plot, width, "f" + std::to_string(figures_), caption);
    has_heat_map_ = has_heat_map_ || std::holds_alternative<plot::HeatMap>(f.plot);
  }

  void close_section() {
    if (!sections_.empty()) body_ += "</section>";
  }

  std::string contents() const {
    std::string html = "<nav aria-label=\"Sections\"><ul>";
    for (std::size_t i = 0; i < sections_.size(); ++i)
      detail::put(html, "<li><a href=\"#s", std::to_string(i + 1), "\">", detail::escaped(sections_[i]), "</a></li>");
    return html + "</ul></nav>";
  }

  std::string title_, subtitle_, body_, footer_;
  std::vector<std::string> sections_;
  int figures_ = 0, tables_ = 0;
  bool has_heat_map_ = false;
};

#if TENZO_DEFINES(report)
TENZO_COMPILED Report& Report::text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\n\n"), text.size());
    if (end > 0) detail::put(body_, "<p>", inline_html(text.substr(0, end)), "</p>");
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return *this;
}

TENZO_COMPILED Report& Report::tiles(const std::vector<Tile>& tiles) {
  body_ += "<dl class=\"tiles\">";
  for (const Tile& t : tiles) {
    detail::put(body_, "<div class=\"tile\"><dt>", detail::escaped(t.name), "</dt><dd class=\"figure\">",
                detail::escaped(t.figure), "</dd>");
    if (!t.note.empty()) detail::put(body_, "<dd class=\"note\">", detail::escaped(t.note), "</dd>");
    body_ += "</div>";
  }
  body_ += "</dl>";
  return *this;
}

TENZO_COMPILED std::string Report::html() const {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\"/>\n";
  detail::put(page, "<title>", detail::escaped(title_), "</title>\n<style>\n", detail::style_sheet(has_heat_map_),
              "</style>\n</head>\n<body>\n<header><h1>", detail::escaped(title_), "</h1>");
  if (!subtitle_.empty()) detail::put(page, "<p class=\"subtitle\">", detail::escaped(subtitle_), "</p>");
  if (sections_.size() > 2) page += contents();
  detail::put(page, "</header>\n<main>", body_, sections_.empty() ? "" : "</section>", "</main>\n");
  if (!footer_.empty()) detail::put(page, "<footer>", detail::escaped(footer_), "</footer>\n");
  return page + "</body>\n</html>\n";
}
#endif

}  // namespace tenzo
