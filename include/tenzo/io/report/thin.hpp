// Thinning: a long curve by few points, none of which hides a spike or a gap.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tenzo::detail {

/// Which points of a curve to draw: all where there are at most `most`, else the first, the last, and of each of
/// equally long runs the lowest, the highest and the first gap, in order.
inline std::vector<std::int64_t> thinned(const std::vector<double>& y, std::int64_t most = 600) {
  const auto n = std::int64_t(y.size());
  std::vector<std::int64_t> kept;
  const auto at = [&](std::int64_t i) { return y[std::size_t(i)]; };
  if (n <= most) {
    for (std::int64_t i = 0; i < n; ++i) kept.push_back(i);
    return kept;
  }
  const std::int64_t runs = std::max<std::int64_t>(1, (most - 2) / 3);
  for (std::int64_t r = 0; r < runs; ++r) {
    std::int64_t lowest = -1, highest = -1, gap = -1;
    for (std::int64_t i = r * n / runs; i < (r + 1) * n / runs; ++i) {
      if (!std::isfinite(at(i))) {
        if (gap < 0) gap = i;
        continue;
      }
      if (lowest < 0 || at(i) < at(lowest)) lowest = i;
      if (highest < 0 || at(i) > at(highest)) highest = i;
    }
    for (const std::int64_t i : {lowest, highest, gap})
      if (i >= 0) kept.push_back(i);
  }
  kept.push_back(0);
  kept.push_back(n - 1);
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  return kept;
}

/// A band as few (x, low, high): the hull of each of equally long runs. A run without a finite pair is a gap.
struct BandPoint {
  double x, low, high;
};
inline std::vector<BandPoint> thinned_band(const std::vector<double>& x, const std::vector<double>& low,
                                           const std::vector<double>& high, std::int64_t most = 300) {
  const auto n = std::int64_t(x.size());
  const std::int64_t runs = std::min(n, most);
  std::vector<BandPoint> band;
  for (std::int64_t r = 0; r < runs; ++r) {
    const std::int64_t begin = r * n / runs, end = (r + 1) * n / runs;
    BandPoint p{x[std::size_t((begin + end) / 2)], INFINITY, -INFINITY};
    if (r == 0) p.x = x.front();
    if (r + 1 == runs) p.x = x.back();
    for (std::int64_t i = begin; i < end; ++i) {
      const double a = low[std::size_t(i)], b = high[std::size_t(i)];
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      p.low = std::min(p.low, a);
      p.high = std::max(p.high, b);
    }
    if (p.low > p.high) p.low = p.high = NAN;
    band.push_back(p);
  }
  return band;
}

}  // namespace tenzo::detail
