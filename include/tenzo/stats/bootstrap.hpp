// How sure a figure of several groups of measurements is, by drawing them again.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/permutation.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/stats/interval.hpp"

namespace tenzo {

/// The mean of the middle half: a quarter of the weight is cut off at each end, a fraction of a value where the count
/// is no multiple of four. What is cut off may be infinite. NaN of none.
///   Source  Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice"
inline double interquartile_mean(std::span<const double> x) {
  std::vector<double> sorted(x.begin(), x.end());
  std::ranges::sort(sorted);
  const double n = double(x.size()), low = n / 4, high = 3 * n / 4;
  double total = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double weight = std::min(high, double(i) + 1) - std::max(low, double(i));
    if (weight > 0) total += sorted[i] * weight;
  }
  return total / (high - low);
}

/// The value at the share p of sorted numbers, between two of them in proportion. Infinite ones are numbers, too:
/// between a finite and an infinite one the value is infinite, between the two infinities NaN. NaN of none.
inline double quantile_of_sorted(std::span<const double> sorted, double p) {
  if (sorted.empty()) return NAN;
  const double at = p * double(sorted.size() - 1);
  const auto i = std::size_t(at);
  if (i + 1 >= sorted.size()) return sorted.back();
  const double low = sorted[i], high = sorted[i + 1], part = at - double(i);
  if (part == 0 || low == high) return low;
  return std::isfinite(low) && std::isfinite(high) ? low + part * (high - low) : (1 - part) * low + part * high;
}

/// The middle one of numbers in any order, or the mean of the two in the middle.
inline double median_of(std::span<const double> x) {
  std::vector<double> sorted(x.begin(), x.end());
  std::ranges::sort(sorted);
  return quantile_of_sorted(sorted, 0.5);
}

/// statistic(all values) with the 95 % interval of the percentile bootstrap: in each of `resamples` rounds every group
/// (a stratum: one task, one environment) is drawn from itself, with replacement.
///   statistic(span of all groups' values, one behind another) -> double
///   The interval is NaN where no group has two values. The same seed gives the same interval.
///   Source  Efron 1979; strata as in Agarwal et al. 2021
template <class F>
Measured stratified_bootstrap(const std::vector<std::vector<double>>& groups, F&& statistic,
                              std::int64_t resamples = 2000, std::uint64_t seed = 1) {
  require(resamples >= 1, "bootstrap: ", resamples, " resamples");
  std::vector<double> all;
  bool varied = false;
  for (const auto& g : groups) {
    all.insert(all.end(), g.begin(), g.end());
    varied = varied || g.size() >= 2;
  }
  if (all.empty()) return {};
  Measured m{statistic(std::span<const double>(all)), NAN, NAN};
  if (!varied) return m;
  std::vector<double> drawn(all.size()), statistics;
  for (std::int64_t r = 0; r < resamples; ++r) {
    const Integers integers(NoiseKey{.seed = seed, .step = std::uint32_t(r)}.of(Purpose::data_order));
    std::size_t at = 0;
    for (const auto& g : groups)
      for (std::size_t i = 0; i < g.size(); ++i, ++at)
        drawn[at] = g[std::size_t(integers.below(std::int64_t(g.size()), std::int64_t(at)))];
    statistics.push_back(statistic(std::span<const double>(drawn)));
  }
  std::ranges::sort(statistics);
  m.low = quantile_of_sorted(statistics, 0.025), m.high = quantile_of_sorted(statistics, 0.975);
  return m;
}

/// Of one group.
template <class F>
Measured bootstrap(std::span<const double> x, F&& statistic, std::int64_t resamples = 2000, std::uint64_t seed = 1) {
  return stratified_bootstrap({std::vector<double>(x.begin(), x.end())}, statistic, resamples, seed);
}

}  // namespace tenzo
