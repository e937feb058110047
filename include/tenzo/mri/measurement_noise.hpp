// Noise of a scanner: complex Gaussian on what was sampled.
#pragma once

#include <cstdint>

#include "tenzo/core/random.hpp"
#include "tenzo/mri/encoding.hpp"

namespace tenzo::mri {

/// y + ε on the sampled lines, real and imaginary part of ε of N(0, deviation²) in each coil; a function of the seed
/// and of the images' numbers `first`, `first` + 1, ….
template <Real T>
Tensor<T> with_measurement_noise(const Encoding<Tensor<T>>& e, const Tensor<T>& y, double deviation, std::uint64_t seed,
                                 std::int64_t first = 0) {  // (n, C, H, W, 2) -> the same
  require(deviation >= 0, "measurement noise: a deviation of ", deviation);
  Tensor<T> noise = Tensor<T>::zeros(y.shape());
  const std::int64_t size = y.shape().inner(0);
  for (std::int64_t i = 0; i < y.dim(0); ++i)
    add_scaled_(noise.data() + i * size, 1, size, Law::normal,
                NoiseKey{seed, 0, 2, std::uint32_t(first + i)}.of(Purpose::data_order), deviation);
  return add(y, mul(noise, e.lines()));
}

}  // namespace tenzo::mri
