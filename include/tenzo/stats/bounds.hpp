// One-sided confidence bounds of probabilities and means, each at level 1 − α for a number of draws that is fixed
// beforehand. Draws until something shows: stats/sequential.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tenzo/stats/beta.hpp"
#include "tenzo/stats/normal.hpp"

namespace tenzo {

inline void check_level(double alpha) {
  require(alpha > 0 && alpha < 1, "confidence: alpha is ", alpha, "; want a probability");
}

/// The exact lower bound of a probability that k of n draws show: the p at which P[Bin(n, p) ≥ k] = α; 0 of none.
///   Error   about 1e-13 relative.
///   Method  Newton's steps on log I_p(k, n − k + 1), kept within a bracket.
///   Source  Clopper, Pearson 1934.
inline double clopper_pearson_lower(std::int64_t k, std::int64_t n, double alpha) {
  require(n >= 0 && k >= 0 && k <= n, "Clopper-Pearson: ", k, " of ", n);
  check_level(alpha);
  if (k == 0) return 0;
  if (k == n) return std::exp(std::log(alpha) / double(n));
  const double a = double(k), b = double(n - k + 1), target = std::log(alpha);
  double low = 0, high = 1;
  const double mean = a / double(n), deviation = std::sqrt(mean * (1 - mean) / double(n));
  double p = std::clamp(mean + normal_quantile(alpha) * deviation, 0.1 * mean, 0.5 * (1 + mean));
  for (int i = 0; i < 200; ++i) {
    const double value = detail::incomplete_beta(a, b, p, 1 - p), error = std::log(value) - target;
    (error < 0 ? low : high) = p;
    // density: C(n + 1, k) pᵏ (1 − p)ⁿ⁻ᵏ⁺¹ · k (n − k + 1) / (n + 1) / (p (1 − p))
    const double density = std::exp(detail::log_binomial_term(a, b, p, 1 - p)) * a * b / (a + b) / (p * (1 - p));
    double next = p - error * value / density;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - p) <= 2e-16 * next) return next;
    p = next;
  }
  return p;
}

/// The exact upper bound; 1 of all.
inline double clopper_pearson_upper(std::int64_t k, std::int64_t n, double alpha) {
  require(n >= 0 && k >= 0 && k <= n, "Clopper-Pearson: ", k, " of ", n);
  return 1 - clopper_pearson_lower(n - k, n, alpha);
}

/// Lower bound of the mean of numbers in [0, 1] by their mean alone: m − √(log(1/α) / 2n).
///   Source  Hoeffding 1963.
inline double hoeffding_lower(double mean, std::int64_t n, double alpha) {
  require(n > 0, "Hoeffding: a mean of ", n, " numbers");
  check_level(alpha);
  return mean - std::sqrt(-std::log(alpha) / (2 * double(n)));
}

/// Lower bound of the mean of numbers in [0, 1] by their mean and unbiased variance:
/// m − √(2 s² t / n) − 7 t / (3 (n − 1)), t = log(2/α).
///   Source  Maurer, Pontil 2009, theorem 4.
inline double empirical_bernstein_lower(double mean, double variance, std::int64_t n, double alpha) {
  require(n > 1 && variance >= 0, "empirical Bernstein: ", n, " numbers of variance ", variance);
  check_level(alpha);
  const double t = std::log(2 / alpha);
  return mean - std::sqrt(2 * variance * t / double(n)) - 7 * t / (3 * double(n - 1));
}

/// The order statistic X₍ₖ₎ of n draws, k from 1, that is at most the p-quantile with probability 1 − α: the largest k
/// with P[Bin(n, p) ≥ k] ≥ 1 − α; 0 where there is none.
inline std::int64_t quantile_lower_index(std::int64_t n, double p, double alpha) {
  check_binomial(n, p);
  check_level(alpha);
  std::int64_t low = 0, high = n + 1;  // holds at low (P[· ≥ 0] = 1), not at high
  while (high - low > 1) {
    const std::int64_t k = low + (high - low) / 2;
    (binomial_at_most(k - 1, n, p) <= alpha ? low : high) = k;
  }
  return low;
}

/// The order statistic that is at least the p-quantile with probability 1 − α: the smallest k with
/// P[Bin(n, p) ≤ k − 1] ≥ 1 − α; n + 1 where there is none.
inline std::int64_t quantile_upper_index(std::int64_t n, double p, double alpha) {
  check_binomial(n, p);
  check_level(alpha);
  std::int64_t low = 0, high = n + 1;  // not at low, holds at high
  while (high - low > 1) {
    const std::int64_t k = low + (high - low) / 2;
    (binomial_at_least(k, n, p) <= alpha ? high : low) = k;
  }
  return high;
}

}  // namespace tenzo
