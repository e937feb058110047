// Images to another size: nearest neighbour and bilinear.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/resample.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/ops/pool.hpp"

namespace tenzo {

struct Resample {
  static constexpr std::string_view name = "resample2d";
  Shape in, out;
  Interpolation how = Interpolation::nearest;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    resample2d(device, detail::plane_count(in), detail::image_size(name, in), detail::image_size(name, out), how, x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    resample2d_adjoint(device, detail::plane_count(in), detail::image_size(name, in), detail::image_size(name, out),
                       how, gy, gx);
  }
};

/// x (..., h, w) → (..., out.h, out.w): the nearest pixel, or a blend of the four around; `bilinear_aligned` puts the
/// corners' centres onto each other.
template <Value V>
V resample2d(const V& x, Size2 out, Interpolation how) {
  const Size2 size = detail::image_size("resample2d", x.shape());
  expect(size.h > 0 && size.w > 0 && out.h > 0 && out.w > 0, "resample2d: x is ", x.shape(), ", the output (", out.h,
         ", ", out.w, "); want sizes of at least 1");
  return apply_linear(Resample{x.shape(), detail::resized(x.shape(), out), how}, x);
}

}  // namespace tenzo
