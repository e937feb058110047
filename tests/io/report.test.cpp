#include "tenzo/io/report.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "files.hpp"
#include "markup_check.hpp"

using namespace tenzo;

namespace {

/// The head of a PNG file of that size: all that a report looks at.
std::string png_head(std::uint8_t width, std::uint8_t height) {
  std::string s("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0", 19);
  s += char(width);
  s += std::string(3, '\0');
  s += char(height);
  return s;
}

Report full_report() {
  Report r("Title <1> & more", "sub \"title\"");
  r.tiles({{"accuracy", "0.51 → 0.59", "3 seeds"}, {"a < b", "1", ""}});
  r.section("One").text("First `a < b` & more.\n\nSecond, with a lonely ` tick.");
  r.claims({{.id = "C1",
             .statement = "it works",
             .value = 2,
             .threshold = 1.8,
             .seeds = 3,
             .ci95 = {1.9, 2.1},
             .holds = true,
             .relation = "≥"},
            {.id = "C2", .statement = "a & b", .value = 0.5, .threshold = 0.7, .reason = "too <few> steps"},
            {.id = "C3", .statement = "never run"}});
  r.section("Two").figure(plot::Lines{.title = "L", .series = {{.name = "s", .y = {1, 2}}}}, "A curve.");
  r.figures({{plot::Bars{.title = "B", .categories = {"a"}, .series = {{"s", {1}, {}, {}, {}}}}, "Bars."},
             {plot::HeatMap{.rows = 1, .columns = 2, .values = {1, 2}, .numbers = true}, ""}});
  r.section("Three").table({"m", "v"}, {{"x", "1.0"}, {"<y>", "2.0"}},
                           {.caption = "Numbers.", .best = {Best::none, Best::highest}});
  r.image(png_head(32, 16), "An image.");
  r.image_grid(
      {.png = {png_head(8, 8), ""}, .columns = 2, .column_names = {"a", "b"}, .row_names = {"r"}, .notes = {"n", ""}});
  return r.code("run --x <y>").footer("made by a test");
}

/// The value of a variable in a list of colours.
detail::Colour colour_of(std::string_view list, const std::string& name) {
  const std::size_t at = list.find("--" + name + ": #");
  REQUIRE(at != list.npos);
  return detail::colour(
      std::uint32_t(std::strtoul(std::string(list.substr(at + name.size() + 5, 6)).c_str(), nullptr, 16)));
}

}  // namespace

TEST_CASE("report: one page, well-formed, with nothing from elsewhere") {
  const std::string page = full_report().html();
  CHECK(markup_fault(page) == "");
  CHECK(page.find("http:") == page.npos);
  CHECK(page.find("https:") == page.npos);
  CHECK(page.find("url(http") == page.npos);
  CHECK(page.find("<script") == page.npos);
  CHECK(times(page, "src=\"data:image/png;base64,iVBORw0KGgo") == 2);
  CHECK(page.find("prefers-color-scheme: dark") != page.npos);
  CHECK(page.find("@media print") != page.npos);
  CHECK(times(page, "<h1>") == 1);
  CHECK(times(page, "<section") == 3);
  CHECK(times(page, "<a href=\"#s") == 3);
}

TEST_CASE("report: texts are escaped, code is set as such") {
  const std::string page = full_report().html();
  CHECK(page.find("<h1>Title &lt;1&gt; &amp; more</h1>") != page.npos);
  CHECK(page.find("<p>First <code>a &lt; b</code> &amp; more.</p><p>Second, with a lonely ` tick.</p>") != page.npos);
  CHECK(page.find("<pre>run --x &lt;y&gt;</pre>") != page.npos);
  CHECK(page.find("too &lt;few&gt; steps") != page.npos);
  CHECK(detail::escaped("a\x80z\x1b\xc3\xa9") == "a\xef\xbf\xbdz\xef\xbf\xbd\xc3\xa9");
}

TEST_CASE("report: figures and tables are numbered in order") {
  const std::string page = full_report().html();
  CHECK(page.find("<b>Figure 1.</b> A curve.") != page.npos);
  CHECK(page.find("<b>Figure 2.</b> Bars.") != page.npos);
  CHECK(page.find("<b>Figure 4.</b> An image.") != page.npos);  // 3 has no caption
  CHECK(page.find("<b>Table 1.</b> Numbers.") != page.npos);
}

TEST_CASE("report: an empty page is a page") {
  CHECK(markup_fault(Report("").html()) == "");
  CHECK(markup_fault(Report("t").table({}, {}).claims({}).tiles({}).figures({}).text("").html()) == "");
}

TEST_CASE("report: claims that hold and claims that do not") {
  const std::string page = full_report().html();
  CHECK(page.find("<b>1 of 3</b> claims hold") != page.npos);
  CHECK(times(page, "<li class=\"claim holds\">") == 1);
  CHECK(times(page, "<li class=\"claim fails\">") == 2);
  CHECK(times(page, ">holds</span>") == 1);
  CHECK(times(page, ">does not hold</span>") == 2);
  CHECK(page.find("<b>2.0</b> <span>threshold ≥ 1.8</span>") != page.npos);
  CHECK(page.find("95 % interval 1.9 … 2.1, 3 seeds") != page.npos);
  CHECK(page.find("It could not be measured in this run.") != page.npos);
  CHECK(page.find("not measured") != page.npos);
  CHECK(times(page, "class=\"interval\"") == 1);
}

TEST_CASE("report tables: alignment, best numbers, groups") {
  const std::vector<TableRow> rows = {
      {"a", "1,200 ± 5", "−0.5", "x"}, {"b", "–", "0.25", ""}, {"c", "900", "0.25", "y"}};
  TableOptions o{.footnote = "f", .best = {Best::none, Best::lowest, Best::highest}, .emphasised = {2}};
  const std::string html = detail::table_html({"h", "n", "m", "t"}, rows, o, "");
  CHECK(markup_fault(html) == "");
  CHECK(times(html, "<th scope=\"col\" class=\"r\">") == 2);
  CHECK(html.find("<td class=\"r\"><strong class=\"best\">900</strong></td>") != html.npos);
  CHECK(times(html, "<strong class=\"best\">0.25</strong>") == 2);
  CHECK(times(html, "<th scope=\"row\"") == 3);
  CHECK(times(html, "<tr class=\"ours\">") == 1);
  o.unranked = {2};
  CHECK(detail::table_html({"h", "n", "m", "t"}, rows, o, "").find("best\">1,200 ± 5") != html.npos);
  o.groups = {{"", 1}, {"paper", 2}};
  CHECK_THROWS_WITH_AS(detail::table_html({"h", "n", "m", "t"}, rows, o, ""), "table: groups of 3 columns over 4",
                       ShapeError);
  CHECK_THROWS_WITH_AS(detail::table_html({"h"}, rows, {}, ""), "table: a row of 4 cells under 1 headers", ShapeError);

  CHECK(detail::leading_number("1,234 ± 5") == 1234);
  CHECK(detail::leading_number("−0.5 %") == -0.5);
  CHECK(detail::leading_number("+3") == 3);
  CHECK(!detail::leading_number("inf"));
  CHECK(!detail::leading_number("n/a"));
  CHECK(!detail::leading_number(""));
}

TEST_CASE("report images: their size is read, their shapes are checked") {
  CHECK(detail::png_size(png_head(32, 16)).width == 32);
  CHECK(detail::png_size(png_head(32, 16)).height == 16);
  CHECK(detail::image_tag(png_head(8, 8), "x", 120).find("class=\"pixels\"") != std::string::npos);
  CHECK(detail::image_tag(png_head(120, 8), "x", 120).find("class=\"pixels\"") == std::string::npos);
  CHECK_THROWS_WITH_AS(Report("t").image("GIF89a"), "image: 6 bytes that are no PNG file", ValueError);
  CHECK_THROWS_WITH_AS(Report("t").image_grid({.png = {"", "", ""}, .columns = 2, .row_names = {"a"}}),
                       "image grid: 3 images, 0 column names, 1 row names, 0 notes for 2 x 2", ShapeError);
  CHECK(text::base64_encoded("") == "");
  for (const std::string s : {"M", "Ma", "Man", "Many"}) CHECK(text::base64_decoded(text::base64_encoded(s)) == s);
  CHECK(text::base64_encoded("Ma") == "TWE=");
}

// Contrast of 4.5 for text and 3 for graphics: level AA of the Web Content Accessibility Guidelines 2.1.
TEST_CASE("report colours: text and series stand out from their page") {
  for (const std::string_view list : {detail::light_colours, detail::dark_colours}) {
    const auto of = [&](const std::string& name) { return colour_of(list, name); };
    for (const char* page : {"page", "surface"})
      for (const char* ink : {"ink", "soft", "faint", "accent", "good", "bad"}) {
        CAPTURE(ink);
        CHECK(detail::contrast(of(ink), of(page)) >= 4.5);
      }
    CHECK(detail::contrast(of("bad"), of("bad-tint")) >= 4.5);
    CHECK(detail::contrast(of("accent"), of("tint")) >= 4.5);
    for (int i = 0; i < detail::palette_size; ++i)
      CHECK(detail::contrast(of("c" + std::to_string(i)), of("surface")) >= 3);
  }
  CHECK(detail::hex(detail::colour(0x1f62b5)) == "#1f62b5");
  CHECK(detail::hex(detail::from_oklab(detail::oklab(detail::colour(0xc68903)))) == "#c68903");
}

TEST_CASE("report: the file is the page, and replaces what was there") {
  const TestFolder folder;
  const std::string path = folder / "report.html";
  put_file(path, "old");
  full_report().write(path);
  CHECK(read_file(path) == full_report().html());
  CHECK(folder.count() == 1);
  CHECK_THROWS_AS(full_report().write(folder / "none/report.html"), FileError);
}
