// A band of image planes copied with its padding, so that every tap of a convolution is one offset in it and
// neighbouring outputs read neighbouring elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/ops/cpu/conv_plan.hpp"

namespace tenzo::cpu {

/// The rows and columns of a source that the outputs in rows [j0, j1) read.
///   Row i of the window is row  first_row + i row_stride  of the image. Its columns lie by their remainder f:
///   element f cols + k is column  first_col + k col_stride + f. Zeros stand outside the image.
struct Window {
  std::int64_t first_row = 0, rows = 0, row_stride = 1, row_step = 1;  // row_step: window rows to the next j
  std::int64_t first_col = 0, cols = 0, col_stride = 1, remainders = 1;
  std::int64_t plane = 0;  // elements from a channel to the next

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
    if (plane % 512 < 32) plane += 32;  // planes a multiple of the page apart would share their sets of the cache
  }

  /// Where output (j0 + r, first + q) finds the tap with these offsets, less r row_step pitch and q.
  std::int64_t tap(const detail::Axis& row, const detail::Axis& col, std::int64_t row_offset,
                   std::int64_t col_offset) const {
    const std::int64_t i = (row_offset - row.min_offset()) / row_stride, k = col_offset - col.min_offset();
    const std::int64_t f = remainders > 1 ? k % col_stride : 0;
    return i * pitch() + f * cols + k / col_stride;
  }
};

/// Copies `channels` planes of an image into the window `to`; writes all of it.
template <class T>
void fill_window(const Window& w, const T* image, std::int64_t channels, Size2 size, T* to) {
  for (std::int64_t c = 0; c < channels; ++c, image += size.h * size.w) {
    T* row = to + c * w.plane;
    for (std::int64_t i = 0; i < w.rows; ++i) {
      const std::int64_t r = w.first_row + i * w.row_stride;
      if (r < 0 || r >= size.h) {
        std::fill_n(row, w.pitch(), T(0));
        row += w.pitch();
        continue;
      }
      const T* from = image + r * size.w;
      for (std::int64_t f = 0; f < w.remainders; ++f, row += w.cols) {
        // Columns k with 0 <= first + k stride < width are copied.
        const std::int64_t first = w.first_col + f, s = w.col_stride;
        const std::int64_t begin = std::min(w.cols, first < 0 ? (-first + s - 1) / s : 0);
        const std::int64_t end = std::clamp((size.w - first + s - 1) / s, begin, w.cols);
        std::fill_n(row, begin, T(0));
        if (s == 1) std::copy_n(from + first + begin, end - begin, row + begin);
        else
          for (std::int64_t k = begin; k < end; ++k) row[k] = from[first + k * s];
        std::fill_n(row + end, w.cols - end, T(0));
      }
    }
    std::fill(row, to + (c + 1) * w.plane, T(0));
  }
}

}  // namespace tenzo::cpu
