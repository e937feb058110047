// The transform between an image and its k-space: unitary, the zero frequency and the image's centre in the middle.
#pragma once

#include "tenzo/ops/fourier.hpp"
#include "tenzo/ops/roll.hpp"

namespace tenzo::mri {

/// Position 0 of an axis of n moved to n / 2, and back. Axes count before the last axis of two.
template <Value V>
V fftshift(const V& z, const Axes& axes = {-2, -1}) {
  V y = z;
  for (const int a : axes.normalized(z.shape().without(-1))) y = roll(y, a, z.shape()[a] / 2);
  return y;
}
template <Value V>
V ifftshift(const V& z, const Axes& axes = {-2, -1}) {
  V y = z;
  for (const int a : axes.normalized(z.shape().without(-1))) y = roll(y, a, -(z.shape()[a] / 2));
  return y;
}

/// F = fftshift ∘ FFT ∘ ifftshift with a factor 1/√N, along the last two axes of a complex tensor (…, H, W, 2).
///   A unitary map: its inverse is its adjoint.
///   It is how MRI data are stored.
template <Value V>
V fft2c(const V& z, const Axes& axes = {-2, -1}) {
  return fftshift(fft2(ifftshift(z, axes), axes, FftNorm::ortho), axes);
}
template <Value V>
V ifft2c(const V& z, const Axes& axes = {-2, -1}) {
  return fftshift(ifft2(ifftshift(z, axes), axes, FftNorm::ortho), axes);
}

}  // namespace tenzo::mri
