// How sure a figure is that was measured on a few seeds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace tenzo {

/// A figure with its 95 % interval; NaN where there is none.
struct Measured {
  double value = NAN, low = NAN, high = NAN;
};

/// The 97.5 % quantile of Student's t with `freedom` degrees.
///   Method  exact for 1 and 2; else the expansion of Cornish and Fisher about the normal quantile, to 2e-3 at 3 and
///           better beyond.
inline double student_quantile(std::int64_t freedom) {
  if (freedom < 1) return NAN;
  if (freedom == 1) return 12.706204736432095;
  if (freedom == 2) return 4.302652729911275;
  const double z = 1.959963984540054, n = double(freedom), z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z,
               z9 = z7 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n) +
         (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * n * n * n * n);
}

inline double mean_of(std::span<const double> x) {
  double total = 0;
  for (const double v : x) total += v;
  return total / double(x.size());
}

/// The standard deviation of a sample; NaN of fewer than two.
inline double deviation_of(std::span<const double> x) {
  if (x.size() < 2) return NAN;
  const double mean = mean_of(x);
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / double(x.size() - 1));
}

/// The mean, with Student's interval.
inline Measured mean_interval(std::span<const double> x) {
  if (x.empty()) return {};
  const double mean = mean_of(x);
  if (x.size() < 2) return {mean, NAN, NAN};
  const double half = student_quantile(std::int64_t(x.size()) - 1) * deviation_of(x) / std::sqrt(double(x.size()));
  return {mean, mean - half, mean + half};
}

}  // namespace tenzo
