// Sparse matrices by rows, and their products with dense ones on the CPU.
//
// An element of a product is one chain of fused multiply-adds in the order of the columns, then the bias: the bits of
// the dense product of the matrix with its zeros, where all numbers are finite.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

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

/// A row of A times `vectors` vectors of B's columns, which stay in registers: c[j] = Σ value[i] b[col[i], j] + bias.
template <int vectors, Real T>
TENZO_INLINE void multiply_row(const T* value, const std::int32_t* col, std::int64_t count, const T* b,
                               std::int64_t ldb, const T* bias, T* c, std::int64_t n) {
  constexpr std::int64_t lanes = Simd<T>::size;
  Simd<T> s[vectors];
  TENZO_CPU_UNROLL
  for (int v = 0; v < vectors; ++v) s[v] = Simd<T>(T(0));
  for (std::int64_t i = 0; i < count; ++i) {
    const Simd<T> x(value[i]);
    const T* row = b + col[i] * ldb;
    TENZO_CPU_UNROLL
    for (int v = 0; v < vectors; ++v) s[v] = fmadd(x, Simd<T>::load(row + v * lanes), s[v]);
  }
  TENZO_CPU_UNROLL
  for (int v = 0; v < vectors; ++v) {
    if (bias) s[v] = s[v] + Simd<T>(*bias);
    if (v + 1 < vectors || n == vectors * lanes) s[v].store(c + v * lanes);
    else s[v].store(c + v * lanes, n - v * lanes);
  }
}

/// c[r, j] = Σ a[r, k] b[k, j] + bias[r] for rows [from, to) of a and n <= csr_tile columns j.
///   b's rows lie `ldb` apart and c's `ldc`; of b whole vectors are read, up to csr_tile columns.
template <Real T>
void multiply_tile(const CsrMatrix<T>& a, std::int64_t from, std::int64_t to, const T* b, std::int64_t ldb,
                   const T* bias, T* c, std::int64_t ldc, std::int64_t n) {
  const auto rows = [&]<int vectors>(std::integral_constant<int, vectors>) {
    for (std::int64_t r = from; r < to; ++r) {
      const std::int64_t first = a.begin[std::size_t(r)], count = a.begin[std::size_t(r) + 1] - first;
      multiply_row<vectors>(a.value.data() + first, a.col.data() + first, count, b, ldb, bias ? bias + r : nullptr,
                            c + r * ldc, n);
    }
  };
  static_assert(csr_tile<T> == 8 * Simd<T>::size);
  switch ((n + Simd<T>::size - 1) / Simd<T>::size) {
    case 1: return rows(std::integral_constant<int, 1>{});
    case 2: return rows(std::integral_constant<int, 2>{});
    case 3: return rows(std::integral_constant<int, 3>{});
    case 4: return rows(std::integral_constant<int, 4>{});
    case 5: return rows(std::integral_constant<int, 5>{});
    case 6: return rows(std::integral_constant<int, 6>{});
    case 7: return rows(std::integral_constant<int, 7>{});
    case 8: return rows(std::integral_constant<int, 8>{});
    default: return;  // no columns
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
      cpu::copy_transposed(to - from, some, x + first * a.cols + from, a.cols, b + from * tile, tile);
      const std::int64_t whole = (some + Simd<T>::size - 1) / Simd<T>::size * Simd<T>::size;
      for (std::int64_t k = from; k < to; ++k) std::fill(b + k * tile + some, b + k * tile + whole, T(0));
    });
    T* const c = back.data();
    parallel_for(a.rows, strip, [&](std::int64_t from, std::int64_t to) {
      detail::multiply_tile(a, from, to, b, tile, bias, c, tile, some);
      cpu::copy_transposed(some, to - from, c + from * tile, tile, y + first * a.rows + from, a.rows);
    });
  }
}

}  // namespace tenzo::prune
