// Splitting noise: each coordinate is seen only as the piece of [0, 1] that it lies in, the pieces being cut at random.
// Certificates in l1 need no independence between coordinates, so that a few shifts, all gone through, are exact.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/smoothing/radius.hpp"

namespace tenzo::smoothing {

/// x ↦ the centre of the piece that holds x, of [0, 1] cut at s, s + 2λ, …; s uniform in [0, 2λ).
///   P[the pieces of x and x' differ] ≤ |x − x'| / 2λ for a coordinate, Σ of that for all: a smoothed score moves by
///   ‖x − x'‖₁ / 2λ at most, and the radius is that of uniform noise.
///   Source  Levine, Feizi 2021, "Improved, deterministic smoothing for l1 certified robustness", theorem 2.
struct SplitNoise {
  double lambda = 0.5;
  bool shared = false;             // one random shift for all coordinates, each of which adds its own fixed one
  std::vector<double> fixed = {};  // these, in shares of 2λ, a coordinate each; empty: a golden-ratio sequence

  /// The centre of the piece between cuts at s + 2λ k, k whole, that holds x; a cut belongs to the piece below it.
  template <Real T>
  static T centre(T x, double s, double width) {
    const double k = std::ceil((double(x) - s) / width), high = std::min(width * k + s, 1.0),
                 low = std::max(width * (k - 1) + s, 0.0);
    return T(0.5 * (low + high));
  }

  template <Real T>
  void apply(const NoiseKey& key, std::int64_t n, const T* x, T* out) const {
    require(lambda > 0 && std::isfinite(lambda), "splitting noise: lambda is ", lambda);
    if (n == 0) return;
    const double width = 2 * lambda;
    if (shared) {
      expect(fixed.empty() || std::int64_t(fixed.size()) == n, "splitting noise: fixed shifts of ", fixed.size(),
             " coordinates for ", n);
      float u;
      fill(Law::uniform, key, 1, 0, 0, 1, &u);
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = centre(x[i], std::fmod(width * (double(u) + offset(i)), width), width);
      return;
    }
    fill(Law::uniform, key, n, 0, 0, n, out);
    for (std::int64_t i = 0; i < n; ++i) out[i] = centre(x[i], width * double(out[i]), width);
  }

  /// The fixed share of a coordinate where they are coupled. The golden-ratio sequence spreads neighbours.
  double offset(std::int64_t i) const {
    if (!fixed.empty()) return fixed[std::size_t(i)];
    const double v = double(i) * 0.61803398874989484820;
    return v - std::floor(v);
  }
};

inline double certified_radius(const SplitNoise& noise, double p) { return uniform_l1_radius(noise.lambda, p); }
inline double certified_radius(const SplitNoise& noise, double p, double pb) {
  return uniform_l1_radius(noise.lambda, p, pb);
}
inline RadiusNorm radius_norm(const SplitNoise&) { return RadiusNorm::l1; }

/// Deterministic splitting (DSSN): inputs are multiples of 1/levels, cuts lie halfway between, and all shifts are gone
/// through, each coordinate turned by a fixed number of its own. There are 2λ · levels of them. Averages over these are
/// exact, so certificates hold with certainty: for perturbed inputs that are multiples of 1/levels.
///   Source  Levine, Feizi 2021, section 4.
struct DeterministicSplit {
  std::int64_t levels = 255;
  double lambda = 0.5;
  std::uint64_t seed = 1;  // of the coordinates' own shifts

  /// Number of shifts, 2λ · levels. Throws ValueError where that is no positive whole number.
  std::int64_t shifts() const {
    const double n = 2 * lambda * double(levels);
    require(levels > 0 && n >= 1 && n == std::floor(n) && n < 0x1p31, "splitting: 2 lambda levels is ", n,
            "; want a positive whole number");
    return std::int64_t(n);
  }

  /// The fixed turns of d coordinates, in levels: whole numbers in [0, shifts()).
  std::vector<std::int64_t> turns(std::int64_t d) const {
    const std::int64_t n = shifts();
    const Integers own(NoiseKey{.seed = seed, .query = 9}.of(Purpose::data_order));
    std::vector<std::int64_t> out(static_cast<std::size_t>(d));
    for (std::int64_t i = 0; i < d; ++i) out[std::size_t(i)] = own.below(n, i);
    return out;
  }

  /// The same splitting of d coordinates as noise: a shift drawn at random anywhere in [0, 2λ), with the same turns. On
  /// the levels it cuts as the shift halfway between its two neighbours does, half a level away at most.
  SplitNoise at_random(std::int64_t d) const {
    SplitNoise noise{.lambda = lambda, .shared = true};
    for (const std::int64_t turn : turns(d)) noise.fixed.push_back(double(turn) / double(shifts()));
    return noise;
  }

  /// x (…), multiples of 1/levels in [0, 1], under shifts first, first + 1, …: (count, …).
  ///   Throws  ValueError where an element is no level.
  template <Real T>
  Tensor<T> samples(const Tensor<T>& x, std::int64_t first, std::int64_t count) const {
    const std::int64_t n = shifts(), d = x.size();
    require(first >= 0 && count >= 0 && first + count <= n, "splitting: shifts ", first, " … of ", n);
    const std::vector<std::int64_t> turn = turns(d);
    Tensor<T> out(x.shape().inserted(0, count));
    std::vector<double> level(static_cast<std::size_t>(d));
    for (std::int64_t i = 0; i < d; ++i) {
      const double at = double(x(i)) * double(levels), near = std::round(at);
      require(std::abs(at - near) <= 1e-3 && near >= 0 && near <= double(levels), "splitting: element ", i, " is ",
              x(i), "; want a multiple of 1/", levels, " in [0, 1]");
      level[std::size_t(i)] = near / double(levels);
    }
    for (std::int64_t j = 0; j < count; ++j)
      for (std::int64_t i = 0; i < d; ++i) {
        const double cut = (double((first + j + turn[std::size_t(i)]) % n) + 0.5) / double(levels);
        out(j * d + i) = T(SplitNoise::centre(level[std::size_t(i)], cut, 2 * lambda));
      }
    return out;
  }
};

}  // namespace tenzo::smoothing
