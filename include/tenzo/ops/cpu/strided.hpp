// Copies between two walks through memory: what permuting, slicing and padding come down to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/shapes/walks.hpp"

namespace tenzo::cpu {

/// y[0 … n) = value.
template <class T>
void fill(Device, std::int64_t n, T* y, T value) {
  parallel_for(n, element_grain, [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
}

/// A rectangle of rows and columns; in squares, so that both sides stay in the cache where one runs along rows and the
/// other along columns.
template <class T>
void copy_plane(std::int64_t rows, std::int64_t cols, const T* x, std::int64_t xr, std::int64_t xc, T* y,
                std::int64_t yr, std::int64_t yc) {
  if (xc == 1 && yc == 1) {
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(x + r * xr, cols, y + r * yr);
    return;
  }
  constexpr std::int64_t side = 32;
  const std::int64_t width = xr == 1 ? side : cols;
  for (std::int64_t c0 = 0; c0 < cols; c0 += width) {
    const std::int64_t c1 = std::min(cols, c0 + width);
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* from = x + r * xr;
      T* to = y + r * yr;
      for (std::int64_t c = c0; c < c1; ++c) to[c * yc] = from[c * xc];
    }
  }
}

/// y[Σ i·ys] = x[Σ i·xs] for all indices i within the shape.
template <class T>
void copy_strided(Device, const Shape& shape, const T* x, const Strides& xs, T* y, const Strides& ys) {
  const std::int64_t n = shape.numel();
  if (n == 0) return;
  PairOfWalks walk(shape, xs, ys);
  const int last = walk.rank - 1;
  if (walk.x[last] != 1)
    for (int i = 0; i < last; ++i)
      if (walk.x[i] == 1) {
        walk.bring_beside_last(i);
        break;
      }
  // A piece is a strip of rows of one plane.
  constexpr std::int64_t strip = 32;
  const std::int64_t rows = walk.extent[last - 1], cols = walk.extent[last], strips = (rows + strip - 1) / strip;
  const std::int64_t planes = n / (rows * cols), grain = std::max<std::int64_t>(1, element_grain / (strip * cols));
  parallel_for(planes * strips, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t r0 = piece % strips * strip, r1 = std::min(rows, r0 + strip);
      std::int64_t rest = piece / strips, ox = r0 * walk.x[last - 1], oy = r0 * walk.y[last - 1];
      for (int i = last - 2; i >= 0; --i) {
        const std::int64_t at = rest % walk.extent[i];
        rest /= walk.extent[i];
        ox += at * walk.x[i];
        oy += at * walk.y[i];
      }
      copy_plane(r1 - r0, cols, x + ox, walk.x[last - 1], walk.x[last], y + oy, walk.y[last - 1], walk.y[last]);
    }
  });
}

}  // namespace tenzo::cpu
