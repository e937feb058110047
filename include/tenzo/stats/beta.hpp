// The incomplete beta function and the binomial distribution in double, right far into the tails.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/core/error.hpp"

namespace tenzo {

namespace detail {

/// log Γ(x + 1) − (x + ½) log x + x − ½ log 2π: what Stirling's formula leaves, for x ≥ 0.
///   Method  the series from 15 on; below, Γ of a number that is larger by whole steps, divided down.
inline double stirling_error(double x) {
  constexpr double half_log_two_pi = 0.91893853320467274178;
  if (x == 0) return std::numeric_limits<double>::infinity();
  const auto series = [](double y) {
    const double r = 1 / (y * y);
    return (1. / 12 - r * (1. / 360 - r * (1. / 1260 - r * (1. / 1680 - r * (1. / 1188 - r * (691. / 360360)))))) / y;
  };
  if (x >= 15) return series(x);
  double product = 1, y = x;
  while (y < 15) product *= y += 1;
  // log Γ(x + 1) = log Γ(y + 1) − log((x + 1) … y)
  const double log_gamma = (y + 0.5) * std::log(y) - y + half_log_two_pi + series(y) - std::log(product);
  return log_gamma - ((x + 0.5) * std::log(x) - x + half_log_two_pi);
}

/// x log(x / m) + m − x without cancellation where x is near m; d = x − m, given by who knows it better.
inline double deviance(double x, double m, double d) {
  if (std::abs(d) >= 0.1 * (x + m)) return x * std::log(x / m) - d;
  // with v = d / (x + m): log(x / m) = 2 artanh v
  const double v = d / (x + m), v2 = v * v;
  double sum = d * v, term = 2 * x * v;
  for (int j = 3;; j += 2) {
    term *= v2;
    const double next = sum + term / j;
    if (next == sum) return sum;
    sum = next;
  }
}

/// log of C(a + b, a) xᵃ yᵇ for real a, b ≥ 0 and y = 1 − x, by what each factor is away from its largest value.
///   Source  Loader 2000, "Fast and accurate computation of binomial probabilities".
inline double log_binomial_term(double a, double b, double x, double y) {
  const double n = a + b;
  if (a == 0) return b == 0 ? 0 : b * (x < 0.5 ? std::log1p(-x) : std::log(y));
  if (b == 0) return a * (y < 0.5 ? std::log1p(-y) : std::log(x));
  if (x <= 0 || y <= 0) return -std::numeric_limits<double>::infinity();
  constexpr double log_two_pi = 1.83787706640934548356;
  const double d = x < y ? a - n * x : n * y - b;  // by the smaller one, which has more digits
  return stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x, d) - deviance(b, n * y, -d) +
         0.5 * (std::log(n) - std::log(a) - std::log(b) - log_two_pi);
}

/// I_x(a, b) for x below its mean, y = 1 − x, by Lentz' method on the continued fraction.
inline double beta_fraction(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / away_from_zero((1 - b + (a + b) * y) / (a + 1)), h = d;
  // it takes some √max(a, b) terms near the mean, a few far from it
  const double most = 1000 + 20 * std::sqrt(std::max(a, b));
  for (double m = 1; m <= most; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    h *= d * c;
    if (std::abs(d * c - 1) < 1e-16) break;
  }
  // xᵃ yᵇ / (a B(a, b)) = C(a + b, a) xᵃ yᵇ · b / (a + b)
  return std::exp(log_binomial_term(a, b, x, y)) * b / (a + b) * h;
}

/// I_x(a, b) with y = 1 − x given apart, so that neither loses its digits.
inline double incomplete_beta(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x < (a + 1) / (a + b + 2)) return std::min(1.0, beta_fraction(a, b, x, y));
  return std::max(0.0, 1 - beta_fraction(b, a, y, x));
}

}  // namespace detail

/// I_x(a, b) = ∫₀ˣ tᵃ⁻¹ (1 − t)ᵇ⁻¹ dt / B(a, b), the distribution function of Beta(a, b).
///   Error   some max(a, b) · 1e-17 relative where it is below one half, far tails included.
///   Cost    some √max(a, b) terms of a continued fraction at most.
///   Throws  ValueError unless a, b > 0 and x is in [0, 1].
inline double incomplete_beta(double a, double b, double x) {
  require(a > 0 && b > 0 && std::isfinite(a) && std::isfinite(b) && x >= 0 && x <= 1,
          "incomplete beta: I_x(a, b) of x ", x, ", a ", a, ", b ", b);
  return detail::incomplete_beta(a, b, x, 1 - x);
}

/// The numbers that a binomial distribution takes.
inline void check_binomial(std::int64_t n, double p) {
  require(n >= 0 && p >= 0 && p <= 1, "binomial: ", n, " draws with probability ", p);
}

/// P[Bin(n, p) = k].
inline double binomial_probability(std::int64_t k, std::int64_t n, double p) {
  check_binomial(n, p);
  return k < 0 || k > n ? 0 : std::exp(detail::log_binomial_term(double(k), double(n - k), p, 1 - p));
}

/// P[Bin(n, p) ≥ k].
inline double binomial_at_least(std::int64_t k, std::int64_t n, double p) {
  check_binomial(n, p);
  if (k <= 0) return 1;
  if (k > n) return 0;
  return detail::incomplete_beta(double(k), double(n - k + 1), p, 1 - p);
}

/// P[Bin(n, p) ≤ k].
inline double binomial_at_most(std::int64_t k, std::int64_t n, double p) {
  check_binomial(n, p);
  if (k < 0) return 0;
  if (k >= n) return 1;
  return detail::incomplete_beta(double(n - k), double(k + 1), 1 - p, p);
}

/// The p-value of k of n against the probability one half, two-sided and exact: min(1, 2 P[Bin(n, ½) ≥ max(k, n − k)]).
inline double binomial_test(std::int64_t k, std::int64_t n) {
  require(k >= 0 && k <= n, "binomial test: ", k, " of ", n);
  return std::min(1.0, 2 * binomial_at_least(std::max(k, n - k), n, 0.5));
}

}  // namespace tenzo
