// Bounds of a probability that hold at all numbers of draws at once: one may look after every draw, and stop.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/stats/bounds.hpp"

namespace tenzo {

/// log of the evidence that k of n draws give against p ≤ p0: the likelihood ratio to p0, averaged over alternatives q
/// that are uniform in [p0, 1],
///   E = 1/(1 − p0) ∫ (q/p0)ᵏ ((1 − q)/(1 − p0))ⁿ⁻ᵏ dq.
///   Under every p ≤ p0 it is a supermartingale from 1, so that it ever reaches 1/α has probability α at most (Ville):
///   at any time, and after any peeking. It falls as p0 grows: with q = p0 + t (1 − p0) the integrand is
///   (1 + t (1 − p0)/p0)ᵏ (1 − t)ⁿ⁻ᵏ.
///   Method  E = P[Beta(k + 1, n − k + 1) ≥ p0] / ((1 − p0) (n + 1) P[Bin(n, p0) = k]).
///   Source  Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; the one-sided mixture is
///           our own.
inline double log_evidence_above(std::int64_t k, std::int64_t n, double p0) {
  require(n >= 0 && k >= 0 && k <= n && p0 >= 0 && p0 < 1, "evidence: ", k, " of ", n, " against ", p0);
  if (p0 == 0) return k == 0 ? -std::log(double(n + 1)) : std::numeric_limits<double>::infinity();
  const double tail = detail::incomplete_beta(double(n - k + 1), double(k + 1), 1 - p0, p0);
  if (tail == 0) return -std::numeric_limits<double>::infinity();
  return std::log(tail) - std::log1p(-p0) - std::log(double(n + 1)) -
         detail::log_binomial_term(double(k), double(n - k), p0, 1 - p0);
}

/// The same against p ≥ p0.
inline double log_evidence_below(std::int64_t k, std::int64_t n, double p0) {
  require(n >= 0 && k >= 0 && k <= n && p0 > 0 && p0 <= 1, "evidence: ", k, " of ", n, " against ", p0);
  if (p0 == 1) return k == n ? -std::log(double(n + 1)) : std::numeric_limits<double>::infinity();
  const double tail = detail::incomplete_beta(double(k + 1), double(n - k + 1), p0, 1 - p0);
  if (tail == 0) return -std::numeric_limits<double>::infinity();
  return std::log(tail) - std::log(p0) - std::log(double(n + 1)) -
         detail::log_binomial_term(double(k), double(n - k), p0, 1 - p0);
}

/// A lower bound of a probability: with probability 1 − α it holds after every draw, of infinitely many.
inline double anytime_lower(std::int64_t k, std::int64_t n, double alpha) {
  require(n >= 0 && k >= 0 && k <= n, "anytime bound: ", k, " of ", n);
  check_level(alpha);
  if (k == 0) return 0;
  const double enough = -std::log(alpha);
  double low = 0, high = double(k) / double(n);
  if (high == 1) high = std::nextafter(1.0, 0.0);
  if (log_evidence_above(k, n, high) >= enough) return high;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double p = 0.5 * (low + high);
    (log_evidence_above(k, n, p) >= enough ? low : high) = p;
  }
  return low;
}

}  // namespace tenzo
