// Axes: from data to the ends of an axis, from values to pixels, and where the ticks stand.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/io/report/number.hpp"
#include "tenzo/io/report/plots.hpp"

namespace tenzo::detail {

inline constexpr double largest_drawable = 1e300;  // beyond, differences would overflow

/// Whether a value has a place on an axis.
inline bool drawable(double v, bool log = false) {
  return std::abs(v) <= largest_drawable && (!log || v >= 1 / largest_drawable);
}

/// The smallest interval that holds the values that were shown to it.
struct Extent {
  bool log = false;
  double low = INFINITY, high = -INFINITY;

  void add(double v) {
    if (!drawable(v, log)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  void add(const std::vector<double>& values) {
    for (const double v : values) add(v);
  }
  bool empty() const { return low > high; }
};

/// The smallest of 1, 2, 5 · 10ⁿ with at most `count` steps in the range.
inline double nice_step(double range, double count) {
  const double raw = std::max(range / std::max(1.0, count), 1e-300);
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double f : {1.0, 2.0, 5.0})
    if (f * power >= raw * (1 - 1e-9)) return f * power;
  return 10 * power;
}

/// Values to pixels along one axis.
struct Scale {
  bool log = false;
  double low = 0, high = 1;  // values at the ends
  double from = 0, to = 1;   // their pixels
  double step = 0;           // of the ticks that the ends were chosen by; 0: none

  double operator()(double v) const {
    const double t = log ? (std::log(v) - std::log(low)) / (std::log(high) - std::log(low)) : (v - low) / (high - low);
    return from + t * (to - from);
  }
  bool shows(double v) const { return drawable(v, log) && v >= low && v <= high; }
  double length() const { return std::abs(to - from); }
};

enum class Ends { tight, nice };  // the data's own, or those of the next ticks

/// The ends of an axis: what the axis says, else the data's, widened where they are equal or not to be told apart.
inline Scale make_scale(const plot::Axis& axis, Extent data, Ends ends, double ticks) {
  Scale s{axis.log};
  if (data.empty()) {
    data.low = axis.log ? 1 : 0;
    data.high = axis.log ? 10 : 1;
  }
  const bool low_given = drawable(axis.low, axis.log), high_given = drawable(axis.high, axis.log);
  s.low = low_given ? axis.low : data.low;
  s.high = high_given ? axis.high : data.high;
  if (!(s.high - s.low > 1e-9 * std::max(std::abs(s.low), std::abs(s.high)))) {
    const double middle = low_given ? s.low : s.high;
    const double half = middle == 0 ? 1 : std::max(std::abs(middle) * 0.05, 1e-290);
    s.low = axis.log ? middle / 1.5 : middle - half;
    s.high = axis.log ? middle * 1.5 : middle + half;
  }
  if (ends == Ends::tight) {
    if (!low_given && !s.log && s.low > 0 && s.low < 0.06 * s.high) s.low = 0;  // steps that count from 1
    return s;
  }
  if (axis.log) {
    const double margin = std::exp(0.05 * (std::log(s.high) - std::log(s.low)));
    if (!low_given) s.low = std::max(s.low / margin, 1 / largest_drawable);
    if (!high_given) s.high = std::min(s.high * margin, largest_drawable);
  } else {
    s.step = nice_step(s.high - s.low, ticks);
    if (!low_given) s.low = std::floor(s.low / s.step + 1e-9) * s.step;
    if (!high_given) s.high = std::ceil(s.high / s.step - 1e-9) * s.step;
  }
  return s;
}

struct Tick {
  double value;
  std::string label;  // empty: a small one
};

/// Labels of equally spaced ticks: as many decimals as tell them apart; thousands and more by a prefix of the SI, what
/// is tiny or huge by a power of ten.
inline std::string tick_label(double value, double step, double largest) {
  if (value == 0) return "0";
  const int top = decimal_exponent(largest, 6), fine = decimal_exponent(step, 6);
  if (top < -3 || top >= 15) return fixed_text(scaled_down(value, top), top - fine) + "×" + power_of_ten_text(top);
  static constexpr const char* suffix[] = {"", "k", "M", "G", "T"};
  const int thousands = top < 4 ? 0 : top / 3;
  return fixed_text(value / std::pow(1000.0, thousands), 3 * thousands - fine) + suffix[thousands];
}

inline std::vector<Tick> linear_ticks(const Scale& s, double count) {
  std::vector<Tick> ticks;
  const double step = s.step > 0 ? s.step : nice_step(s.high - s.low, count);
  const double first = std::ceil(s.low / step - 1e-6), last = std::floor(s.high / step + 1e-6);
  if (!(last - first < 1000)) return ticks;
  const double largest = std::max(std::abs(first), std::abs(last)) * step;
  for (double k = first; k <= last; ++k) ticks.push_back({k * step + 0.0, tick_label(k * step, step, largest)});
  return ticks;
}

/// Powers of ten, with 2 and 5 between where there is room; a range that holds few of them has equal steps.
inline std::vector<Tick> log_ticks(const Scale& s, double count) {
  const int first = int(std::ceil(std::log10(s.low) - 1e-9)), last = int(std::floor(std::log10(s.high) + 1e-9));
  const int decades = last - first + 1;
  const bool plain = first >= -3 && last <= 4;
  const auto label = [&](int n, int factor) {
    if (plain) return parted_text(fixed_text(factor * std::pow(10, n), std::max(0, -n)));
    return factor == 1 ? power_of_ten_text(n) : std::to_string(factor) + "×" + power_of_ten_text(n);
  };
  std::vector<Tick> ticks;
  const int stride = std::max(1, int(std::ceil(decades / std::max(2.0, count))));
  const bool between = decades <= 1 || 2 * decades <= count;
  for (int n = first - 1; n <= last; ++n)
    for (int factor = 1; factor <= 9; ++factor) {
      const double v = factor * std::pow(10, n);
      if (v < s.low * (1 - 1e-9) || v > s.high * (1 + 1e-9)) continue;
      const bool labelled = factor == 1 ? (n - first) % stride == 0 : between && (factor == 2 || factor == 5);
      if (labelled || stride == 1) ticks.push_back({v, labelled ? label(n, factor) : ""});
    }
  const auto labels = std::count_if(ticks.begin(), ticks.end(), [](const Tick& t) { return !t.label.empty(); });
  return labels >= 2 ? ticks : linear_ticks(s, count);
}

/// About `count` labelled ticks between the ends of the scale.
inline std::vector<Tick> make_ticks(const Scale& s, double count) {
  return s.log ? log_ticks(s, count) : linear_ticks(s, count);
}

}  // namespace tenzo::detail
