// Copies between two walks through memory: what permuting, slicing and padding come down to.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/ops/cpu/loops.hpp"

namespace tenzo::cpu {

/// Steps in elements along each axis; negative ones walk backwards.
using Strides = std::array<std::int64_t, Shape::max_rank>;

/// y[0 … n) = value.
template <class T>
void fill(std::int64_t n, T* y, T value) {
  parallel_for(n, element_grain, [=](std::int64_t begin, std::int64_t end) { std::fill(y + begin, y + end, value); });
}

}  // namespace tenzo::cpu

namespace tenzo::detail {

/// Two walks over the same index set, with axes of one element left out and adjacent axes merged where both walks
/// allow.
struct PairOfWalks {
  int rank = 0;
  cpu::Strides extent{}, x{}, y{};

  PairOfWalks(const Shape& shape, const cpu::Strides& xs, const cpu::Strides& ys) {
    for (int i = 0; i < shape.rank(); ++i) {
      const std::int64_t n = shape[i];
      if (n == 1) continue;
      if (rank && x[rank - 1] == xs[i] * n && y[rank - 1] == ys[i] * n) {
        extent[rank - 1] *= n;
        x[rank - 1] = xs[i];
        y[rank - 1] = ys[i];
      } else {
        extent[rank] = n;
        x[rank] = xs[i];
        y[rank++] = ys[i];
      }
    }
    while (rank < 2) push_front();
  }

  /// Makes `axis` the last but one.
  void bring_beside_last(int axis) {
    for (cpu::Strides* s : {&extent, &x, &y})
      std::rotate(s->begin() + axis, s->begin() + axis + 1, s->begin() + rank - 1);
  }

 private:
  void push_front() {
    for (cpu::Strides* s : {&extent, &x, &y}) std::rotate(s->begin(), s->begin() + rank, s->begin() + rank + 1);
    extent[0] = 1;
    x[0] = y[0] = 0;
    ++rank;
  }
};

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

}  // namespace tenzo::detail

namespace tenzo::cpu {

/// y[Σ i·ys] = x[Σ i·xs] for all indices i within the shape.
template <class T>
void copy_strided(const Shape& shape, const T* x, const Strides& xs, T* y, const Strides& ys) {
  const std::int64_t n = shape.numel();
  if (n == 0) return;
  detail::PairOfWalks walk(shape, xs, ys);
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
      detail::copy_plane(r1 - r0, cols, x + ox, walk.x[last - 1], walk.x[last], y + oy, walk.y[last - 1], walk.y[last]);
    }
  });
}

}  // namespace tenzo::cpu
