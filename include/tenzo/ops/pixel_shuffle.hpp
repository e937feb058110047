// Channels to pixels: what a convolution makes finer images with.
#pragma once

#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

/// y(n, c, r i + u, r j + v) = x(n, c r² + u r + v, i, j).
///   x (n, c r², h, w) → (n, c, r h, r w)
///   Source  Shi et al. 2016, "Real-time single image and video super-resolution", sub-pixel convolution.
template <Value V>
V pixel_shuffle(const V& x, std::int64_t r) {
  const Shape& s = x.shape();
  expect(s.rank() == 4 && r > 0 && s[1] % (r * r) == 0, "pixel_shuffle: x is ", s, "; want (n, a multiple of ", r * r,
         ", h, w)");
  const std::int64_t c = s[1] / (r * r);
  return reshape(permute(reshape(x, Shape{s[0], c, r, r, s[2], s[3]}), {0, 1, 4, 2, 5, 3}),
                 Shape{s[0], c, r * s[2], r * s[3]});
}

}  // namespace tenzo
