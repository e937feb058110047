// Dense products of float and double matrices in memory: C = A B, C = C + A B, with or without a bias, batched.
//
// An element of the result is one chain of fused multiply-adds in the order of k, from zero or from what C held:
//     c[i, j] = fma(a[i, k-1], b[k-1, j], … fma(a[i, 1], b[1, j], fma(a[i, 0], b[0, j], c0)))
// So its bits depend on the row of A and the column of B alone: not on the number of threads, on the other rows and
// columns, on strides or on the instruction set.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "tenzo/core/detail/gemm_driver.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo {

/// A matrix in someone's memory: element (i, j) is data[i * row_stride + j * col_stride].
template <class T>
struct MatrixView {
  T* data;
  std::int64_t rows, cols;
  std::int64_t row_stride, col_stride;

  /// Row-major: rows that lie `row_stride` apart, `cols` where it is not given.
  static MatrixView row_major(T* data, std::int64_t rows, std::int64_t cols, std::int64_t row_stride = -1) {
    return {data, rows, cols, row_stride < 0 ? cols : row_stride, 1};
  }
  MatrixView transposed() const { return {data, cols, rows, col_stride, row_stride}; }
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) {
    return {data, rows, cols, row_stride, col_stride};
  }
};

template <Real T>
struct GemmOptions {
  bool accumulate = false;  // continue from C rather than from zero
  const T* bias = nullptr;  // (n), added to every row after the last k
};

/// Where the next matrices of a batch lie, in elements from the ones before; 0 uses the same one for all.
struct BatchStrides {
  std::int64_t a = 0, b = 0, c = 0;
};

namespace detail {

template <class T>
void expect_product(const MatrixView<const T>& a, std::int64_t k, std::int64_t n, const MatrixView<T>& c) {
  expect(a.cols == k && c.rows == a.rows && c.cols == n, "gemm: a is (", a.rows, ", ", a.cols, "), b is (", k, ", ", n,
         "), c is (", c.rows, ", ", c.cols, "); want (m, k), (k, n), (m, n)");
  require(c.col_stride == 1, "gemm: the columns of c lie ", c.col_stride, " apart; want 1");
}

/// A batch of products in the pieces of one cut.
template <Real T>
void multiply_batch(const Cut<T>& cut, RowStrips<T> a, MatrixView<const T> b, MatrixView<T> c, bool in_place,
                    const GemmOptions<T>& options, std::int64_t batch, const BatchStrides& strides) {
  const std::int64_t ahead = c.rows <= 16 && beyond_caches(b.rows, b.cols) ? 64 : 0;
  const double work = double(c.rows) * double(c.cols) * double(b.rows + 1) / double(cut.pieces());
  const std::int64_t grain = std::int64_t(double(piece_work) / work) + 1;
  parallel_for(batch * cut.pieces(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t n = piece / cut.pieces();
      const std::array<Operands<T>, 1> one{{{{a.data + n * strides.a, a.row, a.col, a.strip},
                                             c.data + n * strides.c,
                                             c.row_stride,
                                             options.accumulate,
                                             options.bias}}};
      const StridedPanels<T> from{b.data + n * strides.b, b.row_stride, b.col_stride, ahead};
      product_piece<T, 1>(
          cut, c.cols, b.rows, one,
          [&](auto j, auto columns, auto vectors, auto p, auto k, const std::array<T*, 1>& memory) -> PanelSet<T, 1> {
            const std::int64_t width = vectors * Simd<T>::size;
            if (in_place && columns == width) return {{from.data + p * from.row + j}, from.row};
            from.pack(j, columns, vectors, p, k, memory[0]);
            return {{memory[0]}, width};
          },
          piece % cut.pieces());
    }
  });
}

/// One product whose A is stored by columns: its rows are packed first, for they are gone through once a panel.
template <Real T>
void multiply_packed(const Cut<T>& cut, RowStrips<T> a, MatrixView<const T> b, MatrixView<T> c,
                     const GemmOptions<T>& options) {
  const std::int64_t k = b.rows, together = 8, length = 256;
  const PoolArray<T> packed(cut.strips.parts * tile_rows * k);
  const std::int64_t groups = (cut.strips.parts + together - 1) / together, blocks = (k + length - 1) / length;
  parallel_for(groups * blocks, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t s = i / blocks * together, p = i % blocks * length;
      pack_strips(cut.strips, s, std::min(s + together, cut.strips.parts), p, std::min(p + length, k), k, a,
                  packed.data());
    }
  });
  multiply_batch(cut, {packed.data(), 1, tile_rows, tile_rows * k}, b, c, false, options, 1, {});
}

}  // namespace detail

/// C = A B, or C + A B, then + bias: A (m, k), B (k, n), C (m, n); or a batch of such products, `strides` apart.
///   Strides  any for A and B; the columns of C lie side by side. C overlaps neither A nor B.
///   Memory   400 kB a thread, kept; and a copy of A while it runs, where A is large and stored by columns.
///   Throws   ShapeError, ValueError (strides of C).
template <Real T>
void gemm(MatrixView<const std::type_identity_t<T>> a, MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c,
          GemmOptions<T> options = {}, std::int64_t batch = 1, BatchStrides strides = {}) {
  detail::expect_product<T>(a, b.rows, b.cols, c);
  if (c.rows == 0 || c.cols == 0) return;
  const bool in_place = c.rows <= 2 * detail::tile_rows && b.col_stride == 1;  // few rows do not repay a copy of B
  const auto cut = detail::cut_product<T>(c.rows, c.cols, a.cols,
                                          in_place ? detail::PanelKind::in_place : detail::PanelKind::copied);
  const detail::RowStrips<T> rows{a.data, a.row_stride, a.col_stride};
  const bool scattered = a.col_stride != 1 && a.cols * std::abs(a.col_stride) > (1 << 15);
  if (scattered && c.rows > detail::tile_rows && cut.panels.parts > 2) {
    for (std::int64_t i = 0; i < batch; ++i)
      detail::multiply_packed<T>(cut, {rows.data + i * strides.a, rows.row, rows.col},
                                 {b.data + i * strides.b, b.rows, b.cols, b.row_stride, b.col_stride},
                                 {c.data + i * strides.c, c.rows, c.cols, c.row_stride, c.col_stride}, options);
  } else {
    detail::multiply_batch<T>(cut, rows, b, c, in_place, options, batch, strides);
  }
}

}  // namespace tenzo

#include "tenzo/core/extern.hpp"
