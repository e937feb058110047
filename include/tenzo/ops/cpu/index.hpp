// Reading elements by their positions, adding to them, and finding them, around one axis: (outer, n, inner).
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/shapes/axis.hpp"

namespace tenzo::cpu {

/// Columns that one piece of an adding loop handles: all rows of the index pass by in their order, so the sum's order
/// is fixed, and pieces never meet.
inline constexpr std::int64_t column_block = 64;

/// f(o, c0, c1) for all blocks of columns of all outer indices.
template <class F>
void for_column_blocks(std::int64_t outer, std::int64_t rows, std::int64_t columns, F&& f) {
  const std::int64_t blocks = (columns + column_block - 1) / column_block;
  const std::int64_t work = std::max<std::int64_t>(1, rows * std::min(columns, column_block));
  parallel_for(outer * blocks, element_grain / work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t c0 = i % blocks * column_block;
      f(i / blocks, c0, std::min(columns, c0 + column_block));
    }
  });
}

/// y(o, j, i) = x(o, index[j], i), j < k.
template <class T>
void select_rows(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y) {
  parallel_for(s.outer * k, std::max<std::int64_t>(1, element_grain / std::max<std::int64_t>(1, s.inner)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   std::copy_n(x + (r / k * s.n + index[r % k]) * s.inner, s.inner, y + r * s.inner);
               });
}

/// gx = 0, then gx(o, index[j], i) += gy(o, j, i), in the order of j.
template <class T>
void add_rows(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy, T* gx) {
  fill(Device{}, s.outer * s.n * s.inner, gx, T(0));
  for_column_blocks(s.outer, k, s.inner, [&](std::int64_t o, std::int64_t c0, std::int64_t c1) {
    for (std::int64_t j = 0; j < k; ++j) {
      const T* from = gy + (o * k + j) * s.inner;
      T* to = gx + (o * s.n + index[j]) * s.inner;
#pragma omp simd
      for (std::int64_t c = c0; c < c1; ++c) to[c] += from[c];
    }
  });
}

/// y(o, j, i) = x(o, index(o, j, i), i), j < k.
template <class T>
void gather_elements(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y) {
  parallel_for(s.outer * k, std::max<std::int64_t>(1, element_grain / std::max<std::int64_t>(1, s.inner)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   for (std::int64_t c = 0; c < s.inner; ++c)
                     y[r * s.inner + c] = x[(r / k * s.n + index[r * s.inner + c]) * s.inner + c];
               });
}

/// gx = 0, then gx(o, index(o, j, i), i) += gy(o, j, i), in the order of j.
template <class T>
void scatter_elements(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy, T* gx) {
  fill(Device{}, s.outer * s.n * s.inner, gx, T(0));
  for_column_blocks(s.outer, k, s.inner, [&](std::int64_t o, std::int64_t c0, std::int64_t c1) {
    for (std::int64_t r = o * k; r < (o + 1) * k; ++r)
      for (std::int64_t c = c0; c < c1; ++c)
        gx[(o * s.n + index[r * s.inner + c]) * s.inner + c] += gy[r * s.inner + c];
  });
}

/// at(o, i): the position along the axis of the element that is `better` than all others; the first among equals, and
/// the first NaN before all.
template <class T, class Better>
void arg_extreme(Device, const AroundAxis& s, Better better, const T* x, std::int64_t* at) {
  parallel_for(s.outer * s.inner, std::max<std::int64_t>(1, element_grain / s.n),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t r = begin; r < end; ++r) {
                   const T* row = x + r / s.inner * s.n * s.inner + r % s.inner;
                   std::int64_t best = 0;
                   for (std::int64_t i = 1; i < s.n; ++i) {
                     const T v = row[i * s.inner], b = row[best * s.inner];
                     if (better(v, b) || (v != v && b == b)) best = i;
                   }
                   at[r] = best;
                 }
               });
}

/// y(o, j, i) = Σ x(o, l, i) over l <= j, or over l >= j where `back`.
template <class T>
void cumulative_sum(Device, const AroundAxis& s, bool back, const T* x, T* y) {
  const std::int64_t first = back ? s.n - 1 : 0, step = back ? -1 : 1;
  for_column_blocks(s.outer, s.n, s.inner, [&](std::int64_t o, std::int64_t c0, std::int64_t c1) {
    for (std::int64_t j = 0, at = first; j < s.n; ++j, at += step) {
      const T* from = x + (o * s.n + at) * s.inner;
      T* to = y + (o * s.n + at) * s.inner;
      const T* before = to - step * s.inner;
      if (j == 0) std::copy(from + c0, from + c1, to + c0);
      else
        for (std::int64_t c = c0; c < c1; ++c) to[c] = before[c] + from[c];
    }
  });
}

/// y[i] = mask[i] ? a[i] : b[i].
template <class T>
void choose(Device, std::int64_t n, const std::uint8_t* mask, const T* a, const T* b, T* y) {
  parallel_for(n, element_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = mask[i] ? a[i] : b[i];
  });
}

}  // namespace tenzo::cpu
