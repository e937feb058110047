// Plots as plain data: what is drawn, not how.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace tenzo::plot {

/// What runs along one side of a plot.
struct Axis {
  std::string title{};           // what is measured: "forward passes"
  std::string unit{};            // "s", "MB"; stands in brackets behind the title
  bool log = false;              // values <= 0 are then not drawn
  double low = NAN, high = NAN;  // its ends; where NaN, taken from the data
};

/// A straight line across the plot: a chance level, a predicted value, a deadline.
struct Reference {
  double value = NAN;
  std::string label{};
  bool vertical = false;  // at x = value instead of y = value
};

/// A curve, or a cloud of points. A value that is not finite is a gap.
struct Series {
  enum class Style { line, points, both };

  std::string name{};
  std::vector<double> x{}, y{};       // x may be empty: 0, 1, 2, ...
  std::vector<double> low{}, high{};  // empty, or about each y: a band for lines, error bars for points
  Style style = Style::line;
  bool dashed = false;
  bool muted = false;  // grey: what others are compared with
};

/// Curves and points over two axes. Long curves are thinned, with their extremes and gaps kept.
struct Lines {
  std::string title{};
  Axis x{}, y{};
  std::vector<Series> series{};
  std::vector<Reference> references{};
};

/// One bar in each category.
struct BarSeries {
  std::string name{};
  std::vector<double> value{};        // (categories), NaN where there is none
  std::vector<double> low{}, high{};  // empty, or ends of the error bars
  std::vector<double> mark{};         // empty, or a value that was predicted: a tick across the bar
};

/// Bars in groups, one group a category. They lie on their side where the names are too long to stand below.
struct Bars {
  std::string title{};
  std::vector<std::string> categories{};
  Axis value{};
  std::vector<BarSeries> series{};
  std::string mark_name = "predicted";
  bool stacked = false;  // the series of a category on top of each other
  bool numbers = true;   // its value beside each bar
  std::vector<Reference> references{};
};

/// Values whose distribution is shown.
struct Samples {
  std::string name{};
  std::vector<double> values{};  // those not finite are left out
};

/// How often values fall into equal intervals.
struct Histogram {
  std::string title{};
  Axis x{};
  std::vector<Samples> series{};
  int bins = 0;        // 0: by the Freedman-Diaconis rule, over all series
  bool share = false;  // parts of each series instead of counts
  std::vector<Reference> references{};
};

/// A matrix as colours.
struct HeatMap {
  std::string title{};
  Axis x{}, y{};  // with low and high: numbers along the sides, instead of names of rows and columns
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values{};  // (rows, columns), the first row on top; not finite: left blank
  std::vector<std::string> row_names{}, column_names{};
  std::string value_title{};     // of the colour bar
  double low = NAN, high = NAN;  // values at the ends of the colours; where NaN, from the data
  bool diverging = false;        // two colours from a neutral middle, which is 0 unless low and high say otherwise
  bool numbers = false;          // each value in its cell
};

using Plot = std::variant<Lines, Bars, Histogram, HeatMap>;

}  // namespace tenzo::plot
