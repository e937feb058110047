// Dense products of float and double matrices in memory: C = A B, C = C + A B, with or without a bias, batched.
//
// An element of the result is one chain of fused multiply-adds in the order of k, from zero or from what C held:
//     c[i, j] = fma(a[i, k-1], b[k-1, j], … fma(a[i, 1], b[1, j], fma(a[i, 0], b[0, j], c0)))
// So its bits depend on the row of A and the column of B alone: not on the number of threads, on the other rows and
// columns, on strides or on the instruction set.
#pragma once

#include <array>
#include <cstdint>
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

}  // namespace detail

/// C = A B, or C + A B, then + bias: A (m, k), B (k, n), C (m, n).
///   Strides  any for A and B; the columns of C lie side by side. C overlaps neither A nor B.
///   Memory   a panel of at most 100 kB a thread, kept.
///   Throws   ShapeError, ValueError (strides of C).
template <Real T>
void gemm(MatrixView<const std::type_identity_t<T>> a, MatrixView<const std::type_identity_t<T>> b, MatrixView<T> c,
          GemmOptions<T> options = {}, std::int64_t batch = 1, BatchStrides strides = {}) {
  detail::expect_product<T>(a, b.rows, b.cols, c);
  if (c.rows == 0 || c.cols == 0 || batch <= 0) return;
  struct Panels {
    detail::StridedPanels<T> b;
    void pack(std::int64_t j, std::int64_t columns, std::int64_t vectors, std::int64_t p, std::int64_t k,
              std::array<T*, 1> to) const {
      b.pack(j, columns, vectors, p, k, to[0]);
    }
  };
  const auto cut = detail::cut_product<T>(c.rows, c.cols, a.cols, false);
  const double work = double(c.rows) * double(c.cols) * double(a.cols + 1) / double(cut.pieces());
  const std::int64_t grain = std::int64_t(double(1 << 18) / work) + 1;
  parallel_for(batch * cut.pieces(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) {
      const std::int64_t n = piece / cut.pieces();
      const std::array<detail::Operands<T>, 1> one{
          {{a.data + n * strides.a, a.row_stride, a.col_stride, c.data + n * strides.c, c.row_stride,
            options.accumulate, options.bias}}};
      detail::product_piece<T, 1>(cut, c.cols, a.cols, one,
                                  Panels{{b.data + n * strides.b, b.row_stride, b.col_stride}}, piece % cut.pieces());
    }
  });
}

}  // namespace tenzo
