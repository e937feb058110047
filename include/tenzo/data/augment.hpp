// Images changed at random for training, as functions of a seed and a step.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/permutation.hpp"
#include "tenzo/data/resize.hpp"

namespace tenzo {

/// x (n, channels, h, w) resized to (h + h / 8, w + w / 8), a random h x w part of each, and where `flip` every other
/// one, at random, mirrored.
///   Source  the training transform of VPNs' code: resize to 9 i / 8, crop i, flip.
inline Tensor<float> random_crops(const Tensor<float>& x, bool flip, std::uint64_t seed, std::int64_t step) {
  expect(x.rank() == 4, "random_crops: images are ", x.shape(), "; want (n, channels, h, w)");
  const std::int64_t n = x.shape()[0], channels = x.shape()[1], h = x.shape()[2], w = x.shape()[3];
  const std::int64_t more_h = h / 8, more_w = w / 8;
  const Tensor<float> wide = resized(x, h + more_h, w + more_w);
  const Integers draw(NoiseKey{.seed = seed, .step = std::uint32_t(step), .query = 8}.of(Purpose::data_order));
  Tensor<float> out(x.shape());
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t top = draw.below(more_h + 1, 3 * i), left = draw.below(more_w + 1, 3 * i + 1);
    const bool mirrored = flip && draw.below(2, 3 * i + 2) == 1;
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t y = 0; y < h; ++y) {
        const float* from = wide.data() + ((i * channels + c) * (h + more_h) + top + y) * (w + more_w) + left;
        float* to = out.data() + ((i * channels + c) * h + y) * w;
        if (mirrored) std::reverse_copy(from, from + w, to);
        else std::copy_n(from, w, to);
      }
  }
  return out;
}

}  // namespace tenzo
