// The noise of smoothed reconstruction as a function of its place: image, step and sample.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/core/random.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo::mri {

/// Which noise a smoothed network sees: all of it is a function of these numbers, so a part that is computed again has
/// the same noise, and an image's noise does not depend on the others in its batch.
struct SmoothingNoise {
  std::uint64_t seed = 1;
  std::uint32_t draw = 0;                 // below 2^24: training steps, steps of an attack; 2^24 - 1 is `held_out`
  std::vector<std::int64_t> images = {};  // the numbers of the batch's images; empty: 0, 1, …

  static constexpr std::uint32_t last_draw = (1u << 24) - 1;

  /// The noise by which attacks are judged, apart from any that they have climbed on.
  SmoothingNoise held_out() const { return {seed, last_draw, images}; }
  SmoothingNoise at_draw(std::uint32_t d) const { return {seed, d, images}; }

  /// σ z of the batch (n, …), z ~ N(0, 1), for sample m of unrolling step n < 256.
  template <Real T>
  Tensor<T> operator()(const Shape& batch, double sigma, std::uint32_t step, std::uint32_t sample) const {
    expect(images.empty() || std::int64_t(images.size()) == batch[0], "smoothing: ", images.size(), " numbers of ",
           batch[0], " images");
    require(draw <= last_draw && step < 256, "smoothing: draw ", draw, ", step ", step);
    Tensor<T> z = Tensor<T>::zeros(batch);
    const std::int64_t size = batch.inner(0);
    for (std::int64_t i = 0; i < batch[0]; ++i) {
      const std::int64_t image = images.empty() ? i : images[std::size_t(i)];
      require(image >= 0 && image < std::int64_t(1) << 28, "smoothing: an image of number ", image);
      const NoiseKey key = NoiseKey{seed, draw << 8 | step, sample, std::uint32_t(image)}.of(Purpose::unrolling);
      add_scaled_(z.data() + i * size, 1, size, Law::normal, key, sigma);
    }
    return z;
  }
  /// The same numbers as a tensor P, of any device.
  template <Plain P>
  P on(const Shape& batch, double sigma, std::uint32_t step, std::uint32_t sample) const {
    return operator()<scalar_t<P>>(batch, sigma, step, sample).template to<typename P::device>();
  }
};

}  // namespace tenzo::mri
