// The standard normal distribution in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// φ(x) = e^(−x²/2) / √(2π).
inline double normal_density(double x) { return 0.39894228040143267794 * std::exp(-0.5 * x * x); }

/// Φ(x), right in both tails: erfc(−x/√2) / 2.
inline double normal_cdf(double x) { return 0.5 * std::erfc(-0.70710678118654752440 * x); }

/// Φ⁻¹(p) for p in [0, 1]; ±∞ at the ends.
///   Error   below 4e-16 relative to max(|Φ⁻¹(p)|, |p − 1/2|) of the p that is given.
///   Method  Wichura's rational functions: in p − 1/2 for |p − 1/2| ≤ 0.425, beyond in √(−log of the smaller tail).
///   Throws  ValueError outside [0, 1].
///   Source  Wichura 1988, "The percentage points of the normal distribution", AS 241 (PPND16).
inline double normal_quantile(double p) {
  require(p >= 0 && p <= 1, "normal quantile: of ", p, "; want a probability");
  const auto ratio = [](double r, const double(&a)[8], const double(&b)[8]) {
    double x = a[7], y = b[7];
    for (int i = 6; i >= 0; --i) x = x * r + a[i], y = y * r + b[i];
    return x / y;
  };
  static constexpr double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                 1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                 3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double b[] = {1,
                                 4.2313330701600911252e+1,
                                 6.8718700749205790830e+2,
                                 5.3941960214247511077e+3,
                                 2.1213794301586595867e+4,
                                 3.9307895800092710610e+4,
                                 2.8729085735721942674e+4,
                                 5.2264952788528545610e+3};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) return q * ratio(0.180625 - q * q, a, b);
  const double tail = q < 0 ? p : 1 - p;
  if (tail == 0) return std::copysign(std::numeric_limits<double>::infinity(), q);
  static constexpr double c[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                                 3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[] = {1,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9};
  static constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                 2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[] = {1,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15};
  const double r = std::sqrt(-std::log(tail));
  const double z = r <= 5 ? ratio(r - 1.6, c, d) : ratio(r - 5, e, f);
  return q < 0 ? -z : z;
}

}  // namespace tenzo
