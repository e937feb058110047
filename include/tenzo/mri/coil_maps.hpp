// Sensitivities of coils: simulated, and estimated from the middle of k-space.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "tenzo/mri/encoding.hpp"
#include "tenzo/mri/masks.hpp"

namespace tenzo::mri {

/// Maps divided by √Σ_c |S_c|², zero where all coils are: then Σ_c |S_c|² = 1 and ‖A‖ ≤ 1.
template <Plain P>
P normalised_maps(const P& maps) {  // (…, C, H, W, 2) -> the same
  using T = scalar_t<P>;
  P size = sum(square(maps), {-4, -1}, true);
  for (T& s : size.values()) s = s > T(0) ? T(1) / std::sqrt(s) : T(0);
  return mul(maps, size);
}

struct CoilOptions {
  double radius = 0.6, width = 0.6;  // of the ring of coils and of what one sees, in units of the image's width
  double phase = 0.5;                // largest slope of a coil's phase, in radians from the centre to an edge
  std::uint64_t seed = 1;            // of the phases
};

/// Coils on a ring around the image: S_c = exp(−r_c² / 2 s²) · exp(i (a_c + b_c X + c_c Y)), normalised, X and Y in
/// [−1, 1].
template <Real T>
Tensor<T> simulated_maps(std::int64_t coils, std::int64_t h, std::int64_t w, const CoilOptions& o = {}) {
  require(coils > 0 && h > 0 && w > 0, "coil maps: ", coils, " coils, images of ", h, " x ", w);
  require(o.width > 0, "coil maps: a coil of width ", o.width);
  Tensor<T> maps(Shape{coils, h, w, 2});
  std::vector<double> slope(static_cast<std::size_t>(3 * coils));
  fill_uniform(NoiseKey{o.seed, 0, 1, 0x04d52491}.of(Purpose::data_order), coils, 3, -1.0, 1.0, slope.data());
  const double size = double(w);
  for (std::int64_t c = 0; c < coils; ++c) {
    const double angle = 2 * std::numbers::pi * double(c) / double(coils);
    const double ci = double(h - 1) / 2 + o.radius * size * std::sin(angle);
    const double cj = double(w - 1) / 2 + o.radius * size * std::cos(angle);
    const double* s = slope.data() + 3 * c;
    for (std::int64_t i = 0; i < h; ++i)
      for (std::int64_t j = 0; j < w; ++j) {
        const double di = (double(i) - ci) / (o.width * size), dj = (double(j) - cj) / (o.width * size);
        const double x = (2 * double(j) - double(w - 1)) / double(std::max<std::int64_t>(1, w - 1));
        const double y = (2 * double(i) - double(h - 1)) / double(std::max<std::int64_t>(1, h - 1));
        const double magnitude = std::exp(-(di * di + dj * dj) / 2);
        const double angle_here = std::numbers::pi * s[0] + o.phase * (s[1] * x + s[2] * y);
        T* to = maps.data() + 2 * ((c * h + i) * w + j);
        to[0] = T(magnitude * std::cos(angle_here)), to[1] = T(magnitude * std::sin(angle_here));
      }
  }
  return normalised_maps(maps);
}

/// k-space with all but its middle h x w numbers at zero, and those under Hann's window: what low-resolution images are
/// made of.
template <Plain P>
P calibration_window(const P& kspace, std::int64_t h, std::int64_t w) {  // (…, H, W, 2) -> the same
  using T = scalar_t<P>;
  const std::int64_t rows = kspace.dim(-3), cols = kspace.dim(-2);
  require(0 < h && h <= rows && 0 < w && w <= cols, "calibration: ", h, " x ", w, " of ", rows, " x ", cols);
  const auto hann = [](std::int64_t n, std::int64_t size, std::int64_t i) {
    const double from_centre = double(i) - double(size / 2);
    return std::abs(from_centre) <= double(n) / 2
               ? 0.5 * (1 + std::cos(2 * std::numbers::pi * from_centre / double(n + 1)))
               : 0.0;
  };
  P window(Shape{rows, cols, 1});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) window(i * cols + j) = T(hann(h, rows, i) * hann(w, cols, j));
  return mul(kspace, window);
}

/// Maps from low-resolution images: S_c = I_c / √Σ |I_c|² of the fully sampled lines in the middle of k-space.
///   kspace  (C, H, W, 2), or (n, C, H, W, 2), as it was measured with the mask
///   Throws  ValueError where the mask leaves out the zero frequency.
template <Plain P>
P low_resolution_maps(const P& kspace, const P& mask) {  // -> the shape of kspace
  const auto [begin, end] = calibration_lines(mask);
  require(end > begin, "coil maps: the mask does not sample the zero frequency");
  const std::int64_t centre = mask.size() / 2;
  const std::int64_t lines = 2 * std::min(centre - begin, end - 1 - centre) + 1;
  return normalised_maps(ifft2c(calibration_window(kspace, std::min(lines, kspace.dim(-3)), lines)));
}

}  // namespace tenzo::mri
