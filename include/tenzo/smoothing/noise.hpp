// Noise that functions are smoothed by: independent numbers for each element of an input, as functions of (seed, image,
// phase, sample). Any sample can be drawn anywhere, in any order and batch, with the same bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "tenzo/core/math.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::smoothing {

/// What samples are for: streams of two phases never meet, so that selection and estimation are independent.
enum class Phase : std::uint32_t { selection, estimation, prediction, training, attack, evaluation };

/// The noise of one input for one phase: sample after sample.
struct Stream {
  std::uint64_t seed = 1;
  std::int64_t image = 0;
  Phase phase = Phase::estimation;

  /// The key of a sample. Throws ValueError for numbers outside [0, 2^32).
  NoiseKey key(std::int64_t sample) const {
    constexpr std::int64_t most = std::int64_t(1) << 32;
    require(image >= 0 && image < most && sample >= 0 && sample < most, "smoothing noise: sample ", sample,
            " of image ", image);
    return NoiseKey{
        .seed = seed, .step = std::uint32_t(image), .query = std::uint32_t(sample), .tensor = std::uint32_t(phase)}
        .of(Purpose::smoothing);
  }
};

/// gaussian    N(0, σ²)
/// laplace     density e^(−|η|/λ) / 2λ, λ = σ/√2
/// uniform     in [−λ, λ], λ = √3 σ
/// rademacher  ±σ: no certificate, but smoothed functions have it
enum class Family { gaussian, laplace, uniform, rademacher };

inline Family noise_family(std::string_view name) {
  if (name == "gaussian") return Family::gaussian;
  if (name == "laplace") return Family::laplace;
  if (name == "uniform") return Family::uniform;
  require(name == "rademacher", "smoothing noise: unknown family '", name,
          "'; want gaussian, laplace, uniform or rademacher");
  return Family::rademacher;
}

/// Independent additive noise of standard deviation σ in each coordinate, in the units of the input.
///   Source  the scales of Yang et al. 2020, "Randomized smoothing of all shapes and sizes".
struct AdditiveNoise {
  Family family = Family::gaussian;
  double sigma = 0.25;

  /// The families' own parameter λ; σ itself where there is none.
  double lambda() const {
    if (family == Family::laplace) return sigma * 0.70710678118654752440;
    if (family == Family::uniform) return sigma * 1.7320508075688772935;
    return sigma;
  }

  /// out = η, n numbers.
  template <Real T>
  void draw(const NoiseKey& key, std::int64_t n, T* out) const {
    require(sigma >= 0 && std::isfinite(sigma), "smoothing noise: sigma is ", sigma);
    if (n == 0) return;
    const auto each = [&](auto&& f) {
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) out[i] = f(out[i]);
    };
    switch (family) {
      case Family::gaussian:
        fill(Law::normal, key, n, 0, 0, n, out);
        return each([s = T(sigma)](T z) { return s * z; });
      case Family::rademacher:
        fill(Law::rademacher, key, n, 0, 0, n, out);
        return each([s = T(sigma)](T z) { return s * z; });
      case Family::uniform:
        fill(Law::uniform, key, n, 0, 0, n, out);
        return each([l = T(lambda())](T u) { return l * (2 * u - 1); });
      case Family::laplace:
        fill(Law::uniform, key, n, 0, 0, n, out);  // never 1/2, and 2u, 2 − 2u ≥ 2^−23
        return each([l = T(lambda())](T u) {
          const T size = -l * math::log(2 * std::min(u, T(1) - u));
          return u < T(0.5) ? -size : size;
        });
    }
  }

  /// out = x + η, n elements of one input.
  template <Real T>
  void apply(const NoiseKey& key, std::int64_t n, const T* x, T* out) const {
    draw(key, n, out);
#pragma omp simd
    for (std::int64_t i = 0; i < n; ++i) out[i] += x[i];
  }
};

/// Noise that an input is seen through, a sample a key.
template <class N, class T>
concept NoiseOn = requires(const N& noise, const NoiseKey& key, std::int64_t n, const T* x, T* out) {
  noise.apply(key, n, x, out);
};

/// Samples first, first + 1, … of one input x (…) through the noise: (count, …).
template <Real T, NoiseOn<T> N>
Tensor<T> noisy(const N& noise, const Tensor<T>& x, const Stream& stream, std::int64_t first, std::int64_t count) {
  require(count >= 0, "smoothing noise: ", count, " samples");
  Tensor<T> out(x.shape().inserted(0, count));
  const std::int64_t n = x.size();
  parallel_for(count, std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, n)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i)
                   noise.apply(stream.key(first + i), n, x.data(), out.data() + i * n);
               });
  return out;
}

/// Additive noise for a batch of different inputs: η (draws, n, …) for inputs (n, …), input i being image
/// `stream.image + i` and draw j sample `first + j`.
template <Real T>
Tensor<T> noise_for(const AdditiveNoise& noise, const Shape& inputs, const Stream& stream, std::int64_t first,
                    std::int64_t draws) {
  require(draws >= 0 && inputs.rank() > 0, "smoothing noise: ", draws, " draws for inputs ", inputs);
  Tensor<T> out(inputs.inserted(0, draws));
  const std::int64_t n = inputs[0], width = inputs.inner(0);
  parallel_for(draws * n, std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, width)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   Stream s = stream;
                   s.image += i % n;
                   noise.draw(s.key(first + i / n), width, out.data() + i * width);
                 }
               });
  return out;
}

}  // namespace tenzo::smoothing
