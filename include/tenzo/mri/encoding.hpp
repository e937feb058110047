// What a scanner measures of an image: coils see it through their sensitivities, and some lines of k-space are sampled.
#pragma once

#include <utility>

#include "tenzo/mri/fourier.hpp"
#include "tenzo/ops/complex.hpp"

namespace tenzo::mri {

/// A = [M F S_c] for coils c = 1 … C:  y_c = M F (S_c x).
///   images    (n, H, W, 2), real and imaginary part last; readout along H, phase encoding along W
///   k-space   (n, C, H, W, 2), zero where it was not sampled
///   maps      S, (C, H, W, 2) for all images, or (n, C, H, W, 2), one set for each; Σ_c |S_c|² = 1 gives ‖A‖ ≤ 1
///   mask      (W): 1 where a line is sampled, 0 where it is not; index W / 2 is the zero frequency
///   One coil with maps of one is the single-coil problem. All products differentiate in every mode.
///   Source  Pruessmann et al. 1999, SENSE.
template <Plain P>
struct Encoding {
  P maps, mask;

  std::int64_t coils() const { return maps.dim(-4); }
  Shape image_shape(std::int64_t n) const { return {n, maps.dim(-3), maps.dim(-2), 2}; }
  /// Share of the lines that are sampled.
  double rate() const { return double(sum(mask).item()) / double(mask.size()); }

  /// y = A x.
  template <Value X>
  X forward(const X& x) const {  // (n, H, W, 2) -> (n, C, H, W, 2)
    return mul(fft2c(complex_mul(coil_axis(x), maps)), lines());
  }
  /// Aᴴ y = Σ_c S_c* Fᴴ M y_c.
  template <Value Y>
  Y adjoint(const Y& y) const {  // (n, C, H, W, 2) -> (n, H, W, 2)
    expect(y.defined() && y.shape().rank() == 5, "encoding: k-space is ", y.shape(), "; want (n, ", coils(), ", ",
           maps.dim(-3), ", ", maps.dim(-2), ", 2)");
    expect(y.shape().without(0) == maps.shape().without(0) || y.shape().without(0) == maps.shape(),
           "encoding: k-space is ", y.shape(), ", coil maps are ", maps.shape());
    return sum(complex_conj_mul(maps, ifft2c(mul(y, lines()))), 1);
  }
  /// Aᴴ A x. The transforms along the readout cancel, because the mask does not depend on it: those along the phase
  /// encoding are left.
  template <Value X>
  X gram(const X& x) const {  // (n, H, W, 2) -> the same
    const auto k = fft(complex_mul(coil_axis(x), maps), -1, FftNorm::ortho);
    return sum(complex_conj_mul(maps, ifft(mul(k, uncentred_lines()), -1, FftNorm::ortho)), 1);
  }

  /// The mask as it broadcasts to k-space: (W, 1).
  P lines() const { return mask.reshaped({mask.size(), 1}); }
  /// The same with the zero frequency first.
  P uncentred_lines() const { return roll(mask, 0, -(mask.size() / 2)).reshaped({mask.size(), 1}); }

 private:
  template <Value X>
  X coil_axis(const X& x) const {  // (n, H, W, 2) -> (n, 1, H, W, 2)
    expect(x.defined() && x.shape().rank() == 4 && x.shape().without(0) == image_shape(1).without(0),
           "encoding: images are ", x.shape(), ", coil maps are ", maps.shape(), "; want (n, ", maps.dim(-3), ", ",
           maps.dim(-2), ", 2)");
    expect(maps.rank() == 4 || maps.dim(0) == x.shape()[0], "encoding: ", x.shape()[0], " images, coil maps of ",
           maps.shape());
    return unsqueeze(x, 1);
  }
};

/// The encoding by these maps and this mask.
///   Throws  ValueError where a shape does not fit, where the mask is not of zeros and ones, and where it samples
///   nothing.
template <Plain P>
Encoding<P> encoding(P maps, P mask) {
  require(maps.defined() && (maps.rank() == 4 || maps.rank() == 5) && maps.dim(-1) == 2 && maps.size() > 0,
          "encoding: coil maps are ", maps.shape(), "; want (coils, H, W, 2)");
  require(mask.defined() && mask.shape() == Shape{maps.dim(-2)}, "encoding: the mask is ", mask.shape(),
          ", coil maps are ", maps.shape(), "; want one number a line, (", maps.dim(-2), ")");
  std::int64_t sampled = 0;
  const auto lines = mask.template to<Cpu>();
  for (const auto m : lines.values()) {
    require(m == 0 || m == 1, "encoding: the mask has a number ", m, "; want zeros and ones");
    sampled += m == 1;
  }
  require(sampled > 0, "encoding: the mask samples none of ", mask.size(), " lines");
  return {std::move(maps), std::move(mask)};
}

/// One coil that sees everything alike: maps of one for images of H x W.
template <Plain P>
P single_coil(std::int64_t h, std::int64_t w) {  // (1, H, W, 2)
  auto maps = Tensor<scalar_t<P>>::zeros({1, h, w, 2});
  for (std::int64_t i = 0; i < h * w; ++i) maps(2 * i) = 1;
  return maps.template to<typename P::device>();
}

}  // namespace tenzo::mri
