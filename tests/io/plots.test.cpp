#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "markup_check.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/io/report/drawing.hpp"
#include "tenzo/io/report/figure.hpp"
#include "tenzo/io/report/scale.hpp"
#include "tenzo/io/report/thin.hpp"

using namespace tenzo;
using namespace tenzo::plot;

namespace {

std::vector<std::string> labels(const std::vector<detail::Tick>& ticks) {
  std::vector<std::string> out;
  for (const detail::Tick& t : ticks)
    if (!t.label.empty()) out.push_back(t.label);
  return out;
}
using Texts = std::vector<std::string>;

std::string svg(const Plot& p, double width = detail::half_width) { return detail::plot_svg(p, width, "f1"); }

/// Well-formed, and no number that is none among the coordinates.
void check_svg(const Plot& p) {
  for (const double width : {detail::wide_width, detail::half_width, detail::narrow_width}) {
    const std::string s = svg(p, width);
    CAPTURE(s);
    CHECK(markup_fault(s) == "");
    CHECK(s.find("nan") == s.npos);
    CHECK(s.find("inf") == s.npos);
    CHECK(times(s, "<title id=") == 1);
    CHECK(times(s, "<desc id=") == 1);
  }
  CHECK(markup_fault(detail::figure_html(p, detail::wide_width, "f1", "")) == "");
}

Lines one_series(std::vector<double> x, std::vector<double> y) {
  return {.title = "t", .x = {.title = "x"}, .y = {.title = "y"}, .series = {{.name = "s", .x = x, .y = y}}};
}

}  // namespace

TEST_CASE("report numbers: as people read them") {
  CHECK(number_text(0.5904) == "0.590");
  CHECK(number_text(-2.5) == "−2.50");
  CHECK(number_text(3) == "3");
  CHECK(number_text(1640) == "1640");
  CHECK(number_text(134515008) == "134,515,008");
  CHECK(number_text(0.99996) == "1.00");
  CHECK(number_text(1.2e-5) == "1.20×10⁻⁵");
  CHECK(number_text(-6.02214e23) == "−6.02×10²³");
  CHECK(number_text(4.9e-324, 2) == "4.9×10⁻³²⁴");
  CHECK(number_text(0) == "0");
  CHECK(number_text(-0.0) == "0");
  CHECK(number_text(NAN) == "–");
  CHECK(number_text(-INFINITY) == "−∞");
  CHECK(shortest_text(0.1) == "0.1");
  CHECK(shortest_text(1.10) == "1.1");
  CHECK(shortest_text(100) == "100");
  CHECK(shortest_text(1e-7) == "1.00000×10⁻⁷");
  CHECK(si_text(1.62e9, "B") == "1.62 GB");
  CHECK(si_text(592e6, "B") == "592 MB");
  CHECK(si_text(0.0023, "s") == "2.30 ms");
  CHECK(si_text(999.9, "s") == "1.00 ks");
  CHECK(si_text(0, "B") == "0 B");
  CHECK(even_texts({0.59, 0.6, NAN}) == Texts{"0.59", "0.60", "–"});
  CHECK(even_texts({548, 1640.4}) == Texts{"548", "1640"});
  CHECK(even_texts({0.0012345, 9.87}) == Texts{"0.00", "9.87"});
  CHECK(even_texts({1e-9, 3e-9}) == Texts{"1.00×10⁻⁹", "3.00×10⁻⁹"});
}

TEST_CASE("report ticks: round values") {
  const auto ticks = [](double low, double high, bool log = false, double count = 5) {
    return labels(detail::make_ticks({.log = log, .low = low, .high = high}, count));
  };
  CHECK(ticks(0, 1) == Texts{"0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(ticks(-3, 7) == Texts{"−2", "0", "2", "4", "6"});
  CHECK(ticks(0, 12000) == Texts{"0", "5k", "10k"});
  CHECK(ticks(0, 2e-6) == Texts{"0", "0.5×10⁻⁶", "1.0×10⁻⁶", "1.5×10⁻⁶", "2.0×10⁻⁶"});
  CHECK(ticks(1e-3, 1e2, true, 8) == Texts{"0.001", "0.01", "0.1", "1", "10", "100"});
  CHECK(ticks(1e-9, 1, true, 4) == Texts{"10⁻⁹", "10⁻⁶", "10⁻³", "10⁰"});
  CHECK(ticks(1, 60, true) == Texts{"1", "2", "5", "10", "20", "50"});
  CHECK(ticks(0.51, 0.59, true) == Texts{"0.52", "0.54", "0.56", "0.58"});
}

TEST_CASE("report ticks: of any range there are some, in order, told apart") {
  for (const double scale : {1e-290, 3e-12, 1e-3, 1.0, 77.0, 1e6, 4e15, 1e290})
    for (const double low : {-1.0, -0.31, 0.0, 0.2, 0.99})
      for (const bool log : {false, true}) {
        if (log && low <= 0) continue;
        const detail::Scale s{.log = log, .low = low * scale, .high = 1.7 * scale};
        const auto ticks = detail::make_ticks(s, 5);
        CAPTURE(s.low);
        CAPTURE(s.high);
        const Texts said = labels(ticks);
        CHECK(said.size() >= 2);
        CHECK(said.size() <= 10);
        for (std::size_t i = 0; i < ticks.size(); ++i) {
          CHECK(ticks[i].value >= s.low - 1e-6 * scale);
          CHECK(ticks[i].value <= s.high + 1e-6 * scale);
          if (i > 0) CHECK(ticks[i].value > ticks[i - 1].value);
        }
        for (std::size_t i = 1; i < said.size(); ++i) CHECK(said[i] != said[i - 1]);
      }
}

TEST_CASE("report scales: the ends hold the data, also where they are equal or none") {
  const auto ends = [](const Axis& axis, std::vector<double> data, detail::Ends how) {
    detail::Extent e{axis.log};
    e.add(data);
    return detail::make_scale(axis, e, how, 5);
  };
  for (const auto how : {detail::Ends::tight, detail::Ends::nice})
    for (const std::vector<double>& data :
         {std::vector<double>{}, {3}, {0}, {-7, -7}, {1e-300, 1e300}, {2, NAN, INFINITY}})
      for (const bool log : {false, true}) {
        const detail::Scale s = ends({.log = log}, data, how);
        CHECK(s.low < s.high);
        CHECK(std::isfinite(s.low));
        CHECK(std::isfinite(s.high));
        for (const double v : data)
          if (detail::drawable(v, log)) CHECK(s.shows(v));
      }
  CHECK(ends({}, {0.3, 9.1}, detail::Ends::nice).high == 10);
  CHECK(ends({.low = 0.4}, {0.5, 0.71}, detail::Ends::nice).low == 0.4);
  CHECK(ends({}, {1, 100}, detail::Ends::tight).low == 0);  // steps that count from 1
}

TEST_CASE("report thinning: few points, and no spike, gap or end is lost") {
  std::vector<double> y(100000, 1.0);
  y[4711] = 9;
  y[60000] = -9;
  y[80000] = NAN;
  const auto kept = detail::thinned(y);
  CHECK(kept.size() <= 600);
  const auto has = [&](std::int64_t i) { return std::find(kept.begin(), kept.end(), i) != kept.end(); };
  for (const std::int64_t i : {0, 4711, 60000, 80000, 99999}) CHECK(has(i));
  CHECK(std::is_sorted(kept.begin(), kept.end()));
  CHECK(detail::thinned(std::vector<double>(600, 0.0)).size() == 600);
  CHECK(detail::thinned({}).empty());

  std::vector<double> x(100000), low(100000, 0.0), high(100000, 1.0);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = double(i);
  high[777] = 5;
  const auto band = detail::thinned_band(x, low, high);
  CHECK(band.size() == 300);
  CHECK(band.front().x == 0);
  CHECK(band.back().x == 99999);
  CHECK(band[2].high == 5);
}

TEST_CASE("report names at curves' ends: apart, in order, inside") {
  const auto at = detail::spread({50, 10, 11, 10.5, 99}, 17, 0, 100);
  CHECK(at[1] < at[3]);
  CHECK(at[3] < at[2]);
  CHECK(at[2] < at[0]);
  CHECK(at[3] - at[1] == doctest::Approx(17));
  CHECK(at[0] - at[2] >= 17 - 1e-9);
  CHECK(at[4] <= 100);
  CHECK(at[1] >= 0);
}

TEST_CASE("report plots: well-formed for any data") {
  const double big = 1e308;
  check_svg(Lines{});
  check_svg(one_series({}, {}));
  check_svg(one_series({3}, {7}));
  check_svg(one_series({}, {5, 5, 5}));
  check_svg(one_series({}, {NAN, NAN}));
  check_svg(one_series({1, 2, 3}, {NAN, 4, INFINITY}));
  check_svg(one_series({-big, big, 0}, {big, -big, 1}));
  check_svg(one_series({NAN, 1, 2}, {1, 2, 3}));
  Lines log = one_series({0, 1, 10, 100}, {0, -1, 5, 50});
  log.x.log = log.y.log = true;
  log.series.push_back({.name = "none", .y = {0, 0}, .low = {-1, 0}, .high = {0, 2}});
  check_svg(log);
  Lines full = one_series({}, {1, 2, 4});
  full.series.push_back({.name = "b", .y = {1, 2, 3}, .low = {0, NAN, 2}, .high = {2, 3, INFINITY}});
  full.series.push_back(
      {.name = "p", .y = {1, NAN, 3}, .low = {0, 1, 2}, .high = {2, 3, 4}, .style = Series::Style::points});
  full.references = {{2, "r"}, {1, "v", true}, {NAN, "n"}, {-50, "far"}};
  check_svg(full);

  check_svg(Bars{});
  check_svg(Bars{.categories = {"a"}, .series = {{"s", {NAN}, {}, {}, {}}}});
  Bars bars{.title = "b", .categories = {"a", "b", "c"}, .value = {.title = "v"}};
  bars.series = {{"s", {1, -2, NAN}, {0, -3, 1}, {2, -1, 2}, {1, NAN, 3}}, {"t", {0, big, 1e-320}, {}, {}, {}}};
  check_svg(bars);
  bars.stacked = true;
  check_svg(bars);
  bars.value.log = true;
  bars.stacked = false;
  check_svg(bars);
  for (std::string& c : bars.categories) c = "a name of many words that must lie on its side since it is long " + c;
  bars.references = {{1, "one"}};
  check_svg(bars);

  check_svg(Histogram{});
  check_svg(Histogram{.title = "h", .series = {{"a", {1, 1, 1}}, {"b", {}}, {"c", {NAN, -1, 7}}}, .share = true});
  check_svg(Histogram{.x = {.log = true}, .series = {{"a", {0, -1, 1, 10, 1000}}}});
  check_svg(HeatMap{});
  check_svg(HeatMap{.rows = 1, .columns = 1, .values = {NAN}});
  check_svg(HeatMap{.rows = 1, .columns = 2, .values = {3, 3}, .diverging = true, .numbers = true});
  check_svg(HeatMap{.rows = 2, .columns = 1, .values = {-big, big}, .row_names = {"r", "s"}, .column_names = {"c"}});
  check_svg(HeatMap{.x = {.low = 0, .high = 1},
                    .y = {.low = -1, .high = 1},
                    .rows = 30,
                    .columns = 30,
                    .values = std::vector<double>(900, 0.5)});
}

TEST_CASE("report plots: data that do not fit together are a sentence") {
  CHECK_THROWS_WITH_AS(svg(one_series({1, 2}, {1, 2, 3})),
                       "plot 't': series 's' has 2 x, 3 y, 0 low, 0 high; want as many of each, or none but y",
                       ShapeError);
  CHECK_THROWS_WITH_AS(svg(Bars{.title = "b", .categories = {"a", "b"}, .series = {{"s", {1}, {}, {}, {}}}}),
                       "plot 'b': series 's' has 1 values, 0 low, 0 high, 0 marks; want 2, one a category", ShapeError);
  CHECK_THROWS_WITH_AS(svg(HeatMap{.title = "m", .rows = 2, .columns = 2, .values = {1, 2, 3}}),
                       "plot 'm': 3 values, 0 row names, 0 column names for a matrix of 2 x 2", ShapeError);
}

TEST_CASE("report plots: texts are escaped, and say what is shown") {
  Lines p = one_series({}, {1, NAN, 3});
  p.title = "<b> & \"q\"";
  p.series[0].name = "</svg>";
  p.x.title = "\xff\x01";
  check_svg(p);
  const std::string s = svg(p);
  CHECK(s.find("&lt;b&gt; &amp; &quot;q&quot;") != s.npos);
  CHECK(s.find("&lt;/svg&gt;: 3 points, first 1, last 3, lowest 1, highest 3.") != s.npos);
  CHECK(s.find("\xef\xbf\xbd\xef\xbf\xbd") != s.npos);  // U+FFFD for each byte
}

TEST_CASE("report plots: long series stay small, points are told apart by more than colour") {
  std::vector<double> y(200000);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = std::sin(double(i) * 0.37);
  CHECK(svg(one_series({}, y)).size() < 16000);
  Lines cloud = one_series({}, y);
  cloud.series[0].style = Series::Style::points;
  CHECK(svg(cloud).size() < 250000);
  CHECK(detail::sign_path(0, 0, 0) != detail::sign_path(1, 0, 0));
  CHECK(times(svg(HeatMap{.rows = 100, .columns = 100, .values = std::vector<double>(10000, 1.0)}), "<path") == 1);
}

TEST_CASE("report plots: gaps stay gaps") {
  const std::string s = svg(one_series({}, {1, 2, NAN, 3, 4, NAN, 5}));
  const std::size_t at = s.find("<path class=\"line\"");
  const std::string path = s.substr(at, s.find("/>", at) - at);
  CHECK(times(path, "M") == 2);  // two pieces of line; the lonely last point is a dot of its own
  CHECK(times(s, "<path class=\"bar\"") == 1);
}
