// How much a reconstruction can change with its measurements: what the theorem on smoothed unrolling allows, and what
// is measured.
//
// The theorem is about the mean over all noise, whose Lipschitz constant smoothing bounds by L. What is measured is a
// mean over M samples with fixed noise, another map, for which only Lip(D) bounds each step, whatever M and σ. So a
// measured value above the bounds made of L contradicts nothing. And power iteration finds a largest singular value
// from below.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <utility>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/nn/init.hpp"

namespace tenzo::mri {

/// What the bounds are made of.
struct AmplificationTerms {
  double smallest = 0, largest = 1;  // singular values of A, extreme ones: roots of RowSolver::spectrum()
  double lambda = 1;
  double sigma = 0.01;                                         // of the smoothing noise
  double sup = 0;                                              // b with ‖D_θ(x)‖₂ ≤ b for all x
  double lipschitz = std::numeric_limits<double>::infinity();  // of D_θ, where it is known
  int steps = 8;

  /// α = ‖(Aᴴ A + λ)⁻¹‖.
  double alpha() const { return 1 / (smallest * smallest + lambda); }
  /// L = √(2/π) b / σ: Gaussian smoothing of a map bounded by b is that steep at most.
  double smoothed_lipschitz() const { return std::sqrt(2 / std::numbers::pi) * sup / sigma; }
};

namespace detail {

/// first · (1 + q + … + qⁿ⁻¹) + last · qⁿ.
inline double unrolled_sum(double first, double last, double q, int n) {
  double total = 0, power = 1;
  for (int i = 0; i < n; ++i) total += power, power *= q;
  return first * total + last * power;
}

}  // namespace detail

/// C_n with ‖xⁿ(Aᴴ y) − xⁿ(Aᴴ(y + δ))‖ ≤ C_n ‖δ‖ for SMUG:
///   C_n = α ‖A‖ (1 − (αL)ⁿ) / (1 − αL) + ‖A‖ (αL)ⁿ at λ = 1, as published; λαL in the place of αL for others.
///   Source  Liang et al. 2025, theorem 1.
inline double published_amplification(const AmplificationTerms& t) {
  return detail::unrolled_sum(t.alpha() * t.largest, t.largest, t.lambda * t.alpha() * t.smoothed_lipschitz(), t.steps);
}

/// The same proof with max_s s / (s² + λ) ≤ 1 / (2√λ) over A's singular values for α ‖A‖, and with the denoiser's own
/// Lipschitz constant where that is smaller than L.
inline double tight_amplification(const AmplificationTerms& t) {
  const double s = std::clamp(std::sqrt(t.lambda), t.smallest, t.largest);
  return detail::unrolled_sum(s / (s * s + t.lambda), t.largest,
                              t.lambda * t.alpha() * std::min(t.smoothed_lipschitz(), t.lipschitz), t.steps);
}

template <Plain P>
struct Amplification {
  double value = 0;  // ‖J v‖ / ‖v‖ of the direction found: a lower bound of the largest singular value
  P direction;       // v, of unit length
};

/// The largest singular value of f's Jacobian at y, from below, by power iteration on Jᵀ J: a product of each kind an
/// iteration. f is generic over its value, and the same in every call: of a smoothed network the mean over M samples
/// with fixed noise, for which the bounds hold with Lip(D) in the place of L.
template <class F, Plain P>
Amplification<P> measured_amplification(F&& f, const P& y, int iterations = 20, std::uint64_t seed = 1) {
  require(iterations > 0, "amplification: ", iterations, " iterations");
  Amplification<P> best;
  P v = random_normal<scalar_t<P>>(y.shape(), initial_key(seed, "amplification")).template to<typename P::device>();
  for (int i = 0; i < iterations; ++i) {
    const double size = norm(v);
    if (!(size > 0)) break;
    v = scale(v, 1 / size);
    const P jv = jvp(f, y, v).second;
    const double now = norm(jv);
    if (now > best.value || !best.direction.defined()) best = {now, v};
    v = vjp(f, y, jv).grad;
  }
  return best;
}

}  // namespace tenzo::mri
