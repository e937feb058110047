#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace zo_llm {

namespace {

constexpr double z95 = 1.959964;

/// Mean, and the variance of the mean.
std::pair<double, double> mean_of(std::span<const double> x) {
  const double n = double(x.size());
  double mean = 0, squares = 0;
  for (const double v : x) mean += v / n;
  for (const double v : x) squares += (v - mean) * (v - mean);
  return {mean, n > 1 ? squares / (n - 1) / n : NAN};
}

Measured normal(double value, double variance) {
  const double half = z95 * std::sqrt(variance);
  return {value, value - half, value + half};
}

/// Two-sided probability of a normal deviation as large as the middle of an interval.
double normal_p(const Measured& m) {
  const double deviation = (m.high - m.low) / (2 * z95);
  return deviation > 0 ? std::erfc(std::abs(m.value) / deviation / std::sqrt(2.0)) : m.value == 0 ? 1 : NAN;
}

std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  std::vector<double> d(a.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = b[i] - a[i];
  return d;
}

/// What each example contributes.
struct PerExample {
  std::vector<double> right, calibrated, loss, margin;
};

PerExample per_example(const Scores& s) {
  PerExample e;
  const auto k = std::size_t(s.candidates);
  for (std::size_t i = 0; i < s.labels.size(); ++i) {
    const std::span<const double> row(s.values.data() + i * k, k);
    const auto best = std::max_element(row.begin(), row.end());
    double total = 0;
    for (const double x : row) total += std::exp(x - *best);
    const bool finite = std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
    e.right.push_back(finite && best - row.begin() == s.labels[i]);
    e.loss.push_back(std::log(total) + *best - row[std::size_t(s.labels[i])]);
    if (k == 2) e.margin.push_back(finite ? row[1] - row[0] : 0);
  }
  if (k != 2) return e;
  std::vector<double> sorted = e.margin;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = sorted.size();
  const double median = n ? 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]) : 0;
  for (std::size_t i = 0; i < n; ++i) e.calibrated.push_back((e.margin[i] > median) == (s.labels[i] == 1));
  return e;
}

Comparison compare_shares(const std::string& name, std::span<const double> before, std::span<const double> after) {
  const double n = double(before.size());
  double was = 0, is = 0, gained = 0, lost = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    was += before[i];
    is += after[i];
    gained += after[i] > before[i];
    lost += after[i] < before[i];
  }
  return {name, proportion(was, n), proportion(is, n),
          normal((is - was) / n, (gained + lost - (is - was) * (is - was) / n) / (n * n)), sign_test(gained, lost)};
}

}  // namespace

Measured proportion(double successes, double n) {
  if (!(n > 0)) return {};
  const double p = successes / n, z2 = z95 * z95, scale = 1 / (1 + z2 / n);
  const double middle = scale * (p + z2 / (2 * n)), half = scale * z95 * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {p, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

double sign_test(double a, double b) {
  const double n = a + b, least = std::min(a, b);
  double tail = 0;
  for (double k = 0; k <= least; ++k)
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  return std::min(1.0, 2 * tail);
}

Roc::Roc(std::span<const double> margins, std::span<const int> labels) {
  std::vector<double> positive, negative;
  for (std::size_t i = 0; i < margins.size(); ++i) (labels[i] == 1 ? positive : negative).push_back(margins[i]);
  const auto share = [](const std::vector<double>& of, const std::vector<double>& among, bool above) {
    std::vector<double> sorted = among, out;
    std::sort(sorted.begin(), sorted.end());
    for (const double x : of) {
      const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), x);
      const double below = (double(low - sorted.begin()) + double(high - sorted.begin())) / 2 / double(sorted.size());
      out.push_back(above ? below : 1 - below);
    }
    return out;
  };
  of_positive = share(positive, negative, true);
  of_negative = share(negative, positive, false);
}

Measured Roc::area() const {
  if (of_positive.empty() || of_negative.empty()) return {};
  const auto [mean, first] = mean_of(of_positive);
  const Measured m = normal(mean, first + mean_of(of_negative).second);
  return {m.value, std::max(0.0, m.low), std::min(1.0, m.high)};
}

Measured change_of_area(const Roc& before, const Roc& after) {
  if (before.of_positive.empty() || before.of_negative.empty()) return {};
  const auto [mean, first] = mean_of(differences(before.of_positive, after.of_positive));
  return normal(mean, first + mean_of(differences(before.of_negative, after.of_negative)).second);
}

std::vector<Comparison> compare(const Scores& before, const Scores& after) {
  const PerExample was = per_example(before), is = per_example(after);
  std::vector<Comparison> out{compare_shares("accuracy", was.right, is.right)};
  if (before.candidates == 2) {
    out.push_back(compare_shares("calibrated accuracy", was.calibrated, is.calibrated));
    const Roc first(was.margin, before.labels), second(is.margin, after.labels);
    out.push_back({"AUC", first.area(), second.area(), change_of_area(first, second), NAN});
    out.back().p = normal_p(out.back().change);
  }
  const auto mean = [](std::span<const double> x) {
    const auto [value, variance] = mean_of(x);
    return normal(value, variance);
  };
  out.push_back({"loss", mean(was.loss), mean(is.loss), mean(differences(was.loss, is.loss)), NAN});
  out.back().p = normal_p(out.back().change);
  return out;
}

}  // namespace zo_llm
