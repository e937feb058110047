// Convolution with sparse weights on the CPU: a matrix of filters times the unfolded image.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/pool.hpp"
#include "tenzo/ops/shapes/conv.hpp"
#include "tenzo/prune/csr.hpp"

namespace tenzo::prune {

namespace detail {

/// to[(c, k, l), j] = x at the tap (k, l) of channel c for the output places [first, first + n), zeros outside the
/// image; rows of `ld`, the last vector filled up with zeros. Taps that no weight meets are left out.
template <Real T>
void unfold(const ConvGeometry& g, const T* x, std::int64_t first, std::int64_t n, const std::vector<bool>& met, T* to,
            std::int64_t ld) {
  const std::int64_t taps = g.taps(), whole = (n + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size;
  for (std::int64_t r = 0; r < g.group_in() * taps; ++r) {
    if (!met[std::size_t(r)]) continue;
    const std::int64_t c = r / taps, k = r % taps / g.kernel.w, l = r % g.kernel.w;
    const T* plane = x + c * g.in_plane();
    T* row = to + r * ld;
    for (std::int64_t j = 0, at = first; j < n;) {  // output rows, whole or cut
      const std::int64_t oy = at / g.out_size.w, ox = at % g.out_size.w;
      const std::int64_t run = std::min(n - j, g.out_size.w - ox);
      const std::int64_t y = oy * g.stride.h - g.padding.h + k * g.dilation.h;
      const bool inside = 0 <= y && y < g.in_size.h;
      const std::int64_t step = g.stride.w, left = ox * step - g.padding.w + l * g.dilation.w;
      // Places [low, high) of the run lie within the image: 0 <= left + i step < w.
      const std::int64_t low = !inside ? run : std::clamp<std::int64_t>((step - 1 - left) / step, 0, run);
      const std::int64_t high = std::clamp<std::int64_t>((g.in_size.w - left + step - 1) / step, low, run);
      const std::int64_t origin = y * g.in_size.w + left;
      std::fill(row + j, row + j + low, T(0));
      if (step == 1 && low < high) std::copy_n(plane + origin + low, high - low, row + j + low);
      else
        for (std::int64_t i = low; i < high; ++i) row[j + i] = plane[origin + i * step];
      std::fill(row + j + high, row + j + run, T(0));
      j += run;
      at += run;
    }
    std::fill(row + n, row + whole, T(0));
  }
}

}  // namespace detail

/// y = conv2d(x, w) + bias with the filters as a sparse matrix (out, in / groups · kh · kw): x (batch, in, h, w),
/// y (batch, out, h', w'), row-major; bias (out) or null.
///   Cost    2 operations a weight and place, and the unfolding of the taps that any weight of the group meets.
///   Memory  a tile of the unfolded image a thread.
template <Real T>
void sparse_conv2d(const ConvGeometry& g, const CsrMatrix<T>& filters, const T* x, const T* bias, T* y) {
  const std::int64_t depth = g.group_in() * g.taps(), each = g.group_out(), places = g.out_plane();
  expect(filters.rows == g.out && filters.cols == depth, "sparse_conv2d: a matrix (", filters.rows, ", ", filters.cols,
         "); want (", g.out, ", ", depth, ')');
  std::vector<std::vector<bool>> met(std::size_t(g.groups), std::vector<bool>(std::size_t(depth), false));
  for (std::int64_t r = 0; r < g.out; ++r)
    for (std::int64_t i = filters.begin[std::size_t(r)]; i < filters.begin[std::size_t(r) + 1]; ++i)
      met[std::size_t(r / each)][std::size_t(filters.col[std::size_t(i)])] = true;
  constexpr std::int64_t tile = detail::csr_tile<T>;
  const std::int64_t tiles = (places + tile - 1) / tile;
  parallel_for(g.batch * g.groups * tiles, 1, [&](std::int64_t begin, std::int64_t end) {
    const PoolArray<T> unfolded(std::max<std::int64_t>(1, depth * tile));
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t image = p / (g.groups * tiles), group = p / tiles % g.groups, first = p % tiles * tile;
      const std::int64_t n = std::min(tile, places - first);
      detail::unfold(g, x + (image * g.in + group * g.group_in()) * g.in_plane(), first, n, met[std::size_t(group)],
                     unfolded.data(), tile);
      detail::multiply_tile(filters, group * each, (group + 1) * each, static_cast<const T*>(unfolded.data()), tile,
                            bias, y + image * g.out * places + first, places, n);
    }
  });
}

}  // namespace tenzo::prune
