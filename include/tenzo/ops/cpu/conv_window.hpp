// A band of image planes copied with its padding, so that every tap of a convolution is one offset in it and
// neighbouring outputs read neighbouring elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/simd.hpp"
#include "tenzo/ops/cpu/conv_plan.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

namespace tenzo::cpu {

/// The rows and columns of a source that the outputs in rows [j0, j1) read.
///   Row i of the window is row  first_row + i row_stride  of the image. Its columns lie by their remainder f:
///   element f cols + k is column  first_col + k col_stride + f. Zeros stand outside the image.
struct Window {
  std::int64_t first_row = 0, rows = 0, row_stride = 1, row_step = 1;  // row_step: window rows to the next j
  std::int64_t first_col = 0, cols = 0, col_stride = 1, remainders = 1;
  std::int64_t plane = 0;  // elements from a channel to the next

  static constexpr std::int64_t spread = 32;  // by this much at most, a window of fewer rows may have a larger plane

  std::int64_t pitch() const { return cols * remainders; }

  Window(const detail::Axis& row, const detail::Axis& col, std::int64_t j0, std::int64_t j1) {
    row_stride = row.source_stride();
    row_step = row.in_scale / row_stride;
    first_row = j0 * row.in_scale + row.min_offset();
    rows = ((j1 - 1 - j0) * row.in_scale + row.max_offset() - row.min_offset()) / row_stride + 1;

    col_stride = col.in_scale;
    remainders = col_stride / col.source_stride();
    first_col = col.first() * col_stride + col.min_offset();
    cols = col.last() - col.first() + (col.max_offset() - col.min_offset()) / col_stride;

    plane = rows * pitch();
    if (plane % 512 < spread) plane += spread;  // planes a multiple of the page apart would share sets of the cache
  }

  /// Where output (j0 + r, first + q) finds the tap with these offsets, less r row_step pitch and q.
  std::int64_t tap(const detail::Axis& row, const detail::Axis& col, std::int64_t row_offset,
                   std::int64_t col_offset) const {
    const std::int64_t i = (row_offset - row.min_offset()) / row_stride, k = col_offset - col.min_offset();
    const std::int64_t f = remainders > 1 ? k % col_stride : 0;
    return i * pitch() + f * cols + k / col_stride;
  }
};

/// to = `zeros` zeros, then n elements, then zeros up to `cols`; writes up to a vector beyond that.
///   Rows are short: calls of memcpy and memset would cost more than they do.
template <Real T>
TENZO_INLINE void copy_row(const T* from, std::int64_t n, T* to, std::int64_t zeros, std::int64_t cols) {
  using V = Simd<T>;
  V(T(0)).store(to);
  if (zeros > V::size) std::fill_n(to, zeros, T(0));
  std::int64_t i = zeros;
  for (; i + V::size <= zeros + n; i += V::size, from += V::size) V::load(from).store(to + i);
  if (i < cols) V::load(from, zeros + n - i).store(to + i);
  if (i + V::size < cols) std::fill(to + i + V::size, to + cols, T(0));
}

/// copy_row for `rows` rows; Vectors vectors hold the n elements. What does not change from row to row stays in
/// registers.
template <Real T, int Vectors>
void copy_rows(std::int64_t rows, const T* from, std::int64_t from_step, std::int64_t n, T* to, std::int64_t to_step,
               std::int64_t zeros) {
  using V = Simd<T>;
  constexpr int whole = (Vectors - 1) * V::size;
  const std::int64_t last = n - whole;
  for (std::int64_t r = 0; r < rows; ++r, from += from_step, to += to_step) {
    V(T(0)).store(to);
    T* at = to + zeros;
    for (int i = 0; i < whole; i += V::size) V::load(from + i).store(at + i);
    V::load(from + whole, last).store(at + whole);
  }
}

/// The most frequent window: rows of up to three vectors, no stride. Tells whether it was one.
template <Real T>
bool fill_short_rows(const Window& w, const T* image, std::int64_t channels, Size2 size, T* to) {
  constexpr std::int64_t lanes = Simd<T>::size;
  const std::int64_t zeros = std::max<std::int64_t>(0, -w.first_col), left = w.cols - zeros;
  const std::int64_t first = w.first_col + zeros, n = std::min(size.w - first, left);
  const std::int64_t vectors = (n + lanes - 1) / lanes;
  if (zeros > lanes || n <= 0 || vectors > 3 || left > vectors * lanes) return false;
  const std::int64_t above = std::clamp<std::int64_t>(-w.first_row, 0, w.rows);
  const std::int64_t rows = std::clamp<std::int64_t>(size.h - w.first_row - above, 0, w.rows - above);
  for (std::int64_t c = 0; c < channels; ++c, image += size.h * size.w, to += w.plane) {
    const T* from = image + (w.first_row + above) * size.w + first;
    T* row = to + above * w.cols;
    copy_row(image, 0, to, above * w.cols, above * w.cols);
    if (vectors == 1) copy_rows<T, 1>(rows, from, size.w, n, row, w.cols, zeros);
    else if (vectors == 2) copy_rows<T, 2>(rows, from, size.w, n, row, w.cols, zeros);
    else copy_rows<T, 3>(rows, from, size.w, n, row, w.cols, zeros);
    const std::int64_t below = (w.rows - above - rows) * w.cols;
    copy_row(image, 0, row + rows * w.cols, below, below);
  }
  return true;
}

/// Copies `channels` planes of an image into the window `to`; writes all of it, and up to a vector beyond.
template <Real T>
void fill_window(const Window& w, const T* image, std::int64_t channels, Size2 size, T* to) {
  const bool whole_rows = w.first_col == 0 && w.cols == size.w && w.col_stride == 1;
  const bool inside = w.first_row >= 0 && w.first_row + w.rows <= size.h && w.row_stride == 1;
  if (whole_rows && inside) {
    for (std::int64_t c = 0; c < channels; ++c)
      copy_row(image + (c * size.h + w.first_row) * size.w, w.rows * w.cols, to + c * w.plane, 0, w.rows * w.cols);
    return;
  }
  if (w.col_stride == 1 && w.row_stride == 1 && fill_short_rows(w, image, channels, size, to)) return;
  struct Part {
    std::int64_t zeros, first, n;  // then elements first, first + stride, ... of the image's row, whose n last remain
  };
  std::vector<Part> parts;
  const std::int64_t s = w.col_stride;
  for (std::int64_t f = 0; f < w.remainders; ++f) {
    const std::int64_t first = w.first_col + f, zeros = std::min(w.cols, first < 0 ? (-first + s - 1) / s : 0);
    parts.push_back({zeros, first + zeros * s, std::max<std::int64_t>(0, size.w - first - zeros * s)});
  }
  for (std::int64_t c = 0; c < channels; ++c, image += size.h * size.w) {
    T* row = to + c * w.plane;
    for (std::int64_t i = 0; i < w.rows; ++i) {
      const std::int64_t r = w.first_row + i * w.row_stride;
      if (r < 0 || r >= size.h) {
        copy_row(image, 0, row, w.pitch(), w.pitch());
        row += w.pitch();
        continue;
      }
      for (const Part& p : parts) {
        const T* from = image + r * size.w + (p.n ? p.first : 0);
        if (s == 1) {
          copy_row(from, std::min(p.n, w.cols - p.zeros), row, p.zeros, w.cols);
        } else if (s == 2) {
          copy_row(from, 0, row, p.zeros, p.zeros);
          take_every_second(from, p.n, w.cols - p.zeros, row + p.zeros);
        } else {
          for (std::int64_t k = 0; k < w.cols; ++k)
            row[k] = k >= p.zeros && (k - p.zeros) * s < p.n ? from[(k - p.zeros) * s] : T(0);
        }
        row += w.cols;
      }
    }
  }
}

}  // namespace tenzo::cpu
