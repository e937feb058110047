// A measured slice as a problem of reconstruction: its centre, the image that its coils saw together, and its k-space.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/mri/coil_maps.hpp"
#include "tenzo/mri/fourier.hpp"
#include "tenzo/ops/complex.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo::mri {

/// The h x w part of (…, H, W, 2) around the middle: pixel (H / 2, W / 2) becomes (h / 2, w / 2).
template <Value V>
V central_crop(const V& x, std::int64_t h, std::int64_t w) {
  expect(x.shape().rank() >= 3, "central_crop: x is ", x.shape(), "; want (…, H, W, 2)");
  const std::int64_t rows = x.shape().dim(-3), columns = x.shape().dim(-2);
  require(1 <= h && h <= rows && 1 <= w && w <= columns, "central_crop: ", h, " x ", w, " of ", rows, " x ", columns);
  const std::int64_t top = rows / 2 - h / 2, left = columns / 2 - w / 2;
  return slice(slice(x, -3, top, top + h), -2, left, left + w);
}

/// The k-space of the coil images' central part: k-space (…, H, W, 2) → (…, h, w, 2). It removes what the readout's
/// oversampling shows beyond the field of view.
template <Value V>
V cropped_kspace(const V& kspace, std::int64_t h, std::int64_t w) {
  return fft2c(central_crop(ifft2c(kspace), h, w));
}

/// An image, its coil maps, and fully sampled k-space: kspace = F (maps · image), but for what the maps do not explain.
struct ScanSlice {
  Tensor<float> image;         // (h, w, 2), its largest magnitude one
  Tensor<float> maps, kspace;  // (coils, h, w, 2), Σ |maps|² = 1 or 0 everywhere
};

/// The slice of fully sampled k-space (coils, h, w, 2) and maps of the same shape: x = Σ_c S_c* I_c of the coil images
/// I_c = Fᴴ k_c; image and k-space are divided by max |x|.
///   Throws  ValueError where x is zero everywhere or not finite.
///   Source  the set-up of SMUG (Liang et al. 2023), §3: fastMRI's coil images cropped to 320 x 320.
inline ScanSlice scan_slice(const Tensor<float>& kspace, const Tensor<float>& maps) {
  expect(kspace.rank() == 4 && kspace.dim(-1) == 2 && maps.shape() == kspace.shape(), "scan_slice: k-space is ",
         kspace.shape(), ", maps are ", maps.shape(), "; want both (coils, h, w, 2)");
  ScanSlice s{{}, normalised_maps(maps), kspace};
  s.image = sum(complex_conj_mul(s.maps, ifft2c(kspace)), 0);
  const Tensor<float> magnitude = complex_abs(s.image);
  float most = 0;
  for (const float m : magnitude.values()) most = m <= most ? most : m;  // NaN is taken
  require(most > 0 && std::isfinite(most), "scan_slice: the image's largest magnitude is ", most,
          "; want a positive number");
  s.image = scale(s.image, 1 / double(most));
  s.kspace = scale(s.kspace, 1 / double(most));
  return s;
}

}  // namespace tenzo::mri
