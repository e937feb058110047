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
///   Method  a table up to 10; beyond, the expansion of Cornish and Fisher about the normal quantile, to 1e-5.
inline double student_quantile(std::int64_t freedom) {
  constexpr double table[] = {12.706204736174694, 4.302652729749464,  3.1824463052837078, 2.7764451051977934,
                              2.5705818356363146, 2.4469118511449692, 2.3646242515927844, 2.306004135204166,
                              2.2621571627409915, 2.2281388519649385};
  if (freedom < 1) return NAN;
  if (freedom <= 10) return table[freedom - 1];
  const double z = 1.959963984540054, n = double(freedom), z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z,
               z9 = z7 * z * z;
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n) +
         (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * n * n * n * n);
}

/// NaN of none.
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
