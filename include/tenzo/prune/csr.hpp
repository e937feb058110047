// Sparse matrices by rows, and their products with dense ones on the CPU.
//
// An element of a product is one chain of fused multiply-adds in the order of the columns, then the bias: the bits of
// the dense product of the matrix with its zeros, where all numbers are finite.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::prune {

/// The elements of a matrix that are not zero, row after row (compressed sparse rows).
template <Real T>
struct CsrMatrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<std::int64_t> begin = {0};  // (rows + 1): where each row begins, and the end
  std::vector<std::int32_t> col;          // rising within a row
  std::vector<T> value;

  std::int64_t count() const { return std::int64_t(value.size()); }

  /// Of a dense row-major matrix; `row_stride` and `col_stride` in elements. Throws ValueError for 2^31 columns.
  static CsrMatrix from(const T* data, std::int64_t rows, std::int64_t cols, std::int64_t row_stride,
                        std::int64_t col_stride = 1) {
    require(cols <= std::numeric_limits<std::int32_t>::max(), "csr: ", cols, " columns");
    CsrMatrix m;
    m.rows = rows, m.cols = cols;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c)
        if (const T x = data[r * row_stride + c * col_stride]; x != T(0)) {
          m.col.push_back(std::int32_t(c));
          m.value.push_back(x);
        }
      m.begin.push_back(m.count());
    }
    return m;
  }
};

namespace detail {

/// Columns of the dense operand that are gone through together: 128 floats, 64 doubles.
template <Real T>
constexpr std::int64_t csr_tile = 8 * Simd<T>::size;

TENZO_INTRINSICS_BEGIN

/// c[r, j] = Σ a[r, k] b[k, j] + bias[r] for n <= csr_tile columns j, rows [from, to) of a.
///   b's rows lie `ldb` apart and c's `ldc`; b may be read up to a whole vector behind column n.
template <Real T>
void multiply_tile(const CsrMatrix<T>& a, std::int64_t from, std::int64_t to, const T* b, std::int64_t ldb,
                   const T* bias, T* c, std::int64_t ldc, std::int64_t n) {
  constexpr std::int64_t lanes = Simd<T>::size;
  for (std::int64_t r = from; r < to; ++r) {
    const T last = bias ? bias[r] : T(0);
    // Four vectors at a time stay in registers for all of a row.
    for (std::int64_t j = 0; j < n; j += 4 * lanes) {
      Simd<T> s[4] = {Simd<T>(T(0)), Simd<T>(T(0)), Simd<T>(T(0)), Simd<T>(T(0))};
      const auto vectors = std::min<std::int64_t>(4, (n - j + lanes - 1) / lanes);
      if (vectors == 4) {
        for (std::int64_t i = a.begin[std::size_t(r)]; i < a.begin[std::size_t(r) + 1]; ++i) {
          const Simd<T> x(a.value[std::size_t(i)]);
          const T* row = b + a.col[std::size_t(i)] * ldb + j;
          for (int v = 0; v < 4; ++v) s[v] = fmadd(x, Simd<T>::load(row + v * lanes), s[v]);
        }
      } else {
        for (std::int64_t i = a.begin[std::size_t(r)]; i < a.begin[std::size_t(r) + 1]; ++i) {
          const Simd<T> x(a.value[std::size_t(i)]);
          const T* row = b + a.col[std::size_t(i)] * ldb + j;
          for (std::int64_t v = 0; v < vectors; ++v) s[v] = fmadd(x, Simd<T>::load(row + v * lanes), s[v]);
        }
      }
      for (std::int64_t v = 0; v < vectors; ++v) {
        if (bias) s[v] = s[v] + Simd<T>(last);
        s[v].store(c + r * ldc + j + v * lanes, n - j - v * lanes < lanes ? n - j - v * lanes : lanes);
      }
    }
  }
}

TENZO_INTRINSICS_END

}  // namespace detail

/// y = x Aᵀ + bias: x (n, A.cols), y (n, A.rows), row-major; bias (A.rows) or null. A linear layer.
///   Cost    2 n A.count() operations. x is transposed a strip of rows at a time, so that a weight meets a vector of
///           rows; a single row is multiplied weight by weight.
template <Real T>
void multiply_transposed(const CsrMatrix<T>& a, std::int64_t n, const T* x, const T* bias, T* y) {
  if (n == 1) {
    parallel_for(a.rows, 1 + (1 << 15) / (1 + a.count() / std::max<std::int64_t>(1, a.rows)),
                 [&](std::int64_t from, std::int64_t to) {
                   for (std::int64_t r = from; r < to; ++r) {
                     T s = 0;
                     for (std::int64_t i = a.begin[std::size_t(r)]; i < a.begin[std::size_t(r) + 1]; ++i)
                       s = std::fma(a.value[std::size_t(i)], x[a.col[std::size_t(i)]], s);
                     y[r] = bias ? s + bias[r] : s;
                   }
                 });
    return;
  }
  constexpr std::int64_t tile = detail::csr_tile<T>;
  const std::int64_t tiles = (n + tile - 1) / tile;
  // A tile of rows of x, then pieces of A's rows for it: enough pieces for all threads where n is small.
  const std::int64_t row_work = 1 + tile * a.count() / std::max<std::int64_t>(1, a.rows);
  const std::int64_t strip = 1 + (1 << 18) / row_work;
  Tensor<T> turned(Shape{std::max<std::int64_t>(1, a.cols), tile});
  Tensor<T> back(Shape{std::max<std::int64_t>(1, a.rows), tile});
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = t * tile, some = std::min(tile, n - first);
    T* const b = turned.data();
    parallel_for(a.cols, 256, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t k = from; k < to; ++k) {
        for (std::int64_t j = 0; j < some; ++j) b[k * tile + j] = x[(first + j) * a.cols + k];
        std::fill(b + k * tile + some, b + (k + 1) * tile, T(0));
      }
    });
    T* const c = back.data();
    parallel_for(a.rows, strip, [&](std::int64_t from, std::int64_t to) {
      detail::multiply_tile(a, from, to, b, tile, bias, c, tile, some);
      for (std::int64_t r = from; r < to; ++r)
        for (std::int64_t j = 0; j < some; ++j) y[(first + j) * a.rows + r] = c[r * tile + j];
    });
  }
}

}  // namespace tenzo::prune
