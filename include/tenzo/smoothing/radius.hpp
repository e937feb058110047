// Radii in which a smoothed classifier's class can not change, of bounds of its probabilities. All are exact for the
// noise and norm that they name but where they say "inclusion": then they follow from another norm's.
//   p    lower bound of the class's probability, in (0, 1]; pb upper bound of every other class's; 1 − p where left out
//   Results are 0 where p is no larger than pb.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/smoothing/noise.hpp"
#include "tenzo/stats/normal.hpp"

namespace tenzo::smoothing {

namespace detail {

inline void check_bounds(double scale, double p, double pb) {
  require(scale >= 0 && p >= 0 && p <= 1 && pb >= 0 && pb <= 1, "radius: noise of scale ", scale, ", probabilities ", p,
          " and ", pb);
}

}  // namespace detail

/// l2, Gaussian: σ/2 (Φ⁻¹(p) − Φ⁻¹(pb)), which is σ Φ⁻¹(p) for pb = 1 − p. Holds for soft scores in [0, 1], too.
///   Source  Cohen, Rosenfeld, Kolter 2019, theorem 1; Salman et al. 2019, lemma 2.
inline double gaussian_radius(double sigma, double p) {
  detail::check_bounds(sigma, p, 1 - p);
  return p <= 0.5 ? 0 : sigma * normal_quantile(p);
}
inline double gaussian_radius(double sigma, double p, double pb) {
  detail::check_bounds(sigma, p, pb);
  return p <= pb ? 0 : 0.5 * sigma * (normal_quantile(p) - normal_quantile(pb));
}

/// l1, Laplace: −λ log(2 (1 − p)); with pb the larger of λ/2 log(p / pb) and −λ log(1 − p + pb).
///   Source  Teng et al. 2020, theorem 1.
inline double laplace_l1_radius(double lambda, double p) {
  detail::check_bounds(lambda, p, 1 - p);
  return p <= 0.5 ? 0 : -lambda * std::log(2 * (1 - p));
}
inline double laplace_l1_radius(double lambda, double p, double pb) {
  detail::check_bounds(lambda, p, pb);
  return p <= pb ? 0 : lambda * std::max(0.5 * std::log(p / pb), -std::log(1 - p + pb));
}

/// l∞, Laplace, d coordinates: λ Φ⁻¹(p) / √d, a limit for large d and no certificate.
///   Source  Yang et al. 2020, table 1.
inline double laplace_linf_radius_approximate(double lambda, double p, std::int64_t d) {
  require(d > 0, "radius: in ", d, " coordinates");
  return gaussian_radius(lambda, p) / std::sqrt(double(d));
}

/// l1, uniform on [−λ, λ], and splitting noise: 2 λ (p − ½), λ (p − pb). At most λ < 2λ, where the bound is valid.
///   Source  Yang et al. 2020; Levine, Feizi 2021, theorem 2.
inline double uniform_l1_radius(double lambda, double p) {
  detail::check_bounds(lambda, p, 1 - p);
  return std::max(0.0, 2 * lambda * (p - 0.5));
}
inline double uniform_l1_radius(double lambda, double p, double pb) {
  detail::check_bounds(lambda, p, pb);
  return std::max(0.0, lambda * (p - pb));
}

/// l∞, uniform on [−λ, λ], d coordinates: 2 λ (1 − (3/2 − p)^{1/d}).
///   Source  Yang et al. 2020, table 1.
inline double uniform_linf_radius(double lambda, double p, std::int64_t d) {
  detail::check_bounds(lambda, p, 1 - p);
  require(d > 0, "radius: in ", d, " coordinates");
  return p <= 0.5 ? 0 : -2 * lambda * std::expm1(std::log(1.5 - p) / double(d));
}

/// The norm that a family's certificate is in.
enum class RadiusNorm { l1, l2 };

inline RadiusNorm radius_norm(const AdditiveNoise& noise) {
  return noise.family == Family::gaussian ? RadiusNorm::l2 : RadiusNorm::l1;
}

/// The radius in the norm of the noise. Throws ValueError for Rademacher noise, which certifies nothing.
inline double certified_radius(const AdditiveNoise& noise, double p) {
  switch (noise.family) {
    case Family::gaussian: return gaussian_radius(noise.sigma, p);
    case Family::laplace: return laplace_l1_radius(noise.lambda(), p);
    case Family::uniform: return uniform_l1_radius(noise.lambda(), p);
    default: break;
  }
  require(false, "radius: Rademacher noise has no certificate");
  return 0;
}
inline double certified_radius(const AdditiveNoise& noise, double p, double pb) {
  switch (noise.family) {
    case Family::gaussian: return gaussian_radius(noise.sigma, p, pb);
    case Family::laplace: return laplace_l1_radius(noise.lambda(), p, pb);
    case Family::uniform: return uniform_l1_radius(noise.lambda(), p, pb);
    default: break;
  }
  require(false, "radius: Rademacher noise has no certificate");
  return 0;
}

/// Radii in three norms.
struct Radii {
  double l1 = 0, l2 = 0, linf = 0;
};

/// What one bound certifies in d coordinates. Inclusions: ‖δ‖₂ ≤ ‖δ‖₁ ≤ √d ‖δ‖₂ ≤ d ‖δ‖∞ and ‖δ‖₂ ≤ √d ‖δ‖∞.
inline Radii certified_radii(const AdditiveNoise& noise, double p, std::int64_t d) {
  require(d > 0, "radius: in ", d, " coordinates");
  const double r = certified_radius(noise, p), root = std::sqrt(double(d));
  if (noise.family == Family::gaussian) return {r, r, r / root};
  const double by_inclusion = r / double(d);
  return {r, r / root,
          noise.family == Family::uniform ? std::max(by_inclusion, uniform_linf_radius(noise.lambda(), p, d))
                                          : by_inclusion};
}

}  // namespace tenzo::smoothing
