// Matrices that are read row by row, tile by tile, in whatever form they are kept: stored types, noise, sums of both.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "tenzo/core/dtype.hpp"
#include "tenzo/core/simd.hpp"

namespace tenzo {

/// The largest tile that is asked of a row source.
inline constexpr std::int64_t tile_height = 16, tile_width = 64;

/// A matrix of floats that can write any tile of itself.
///   rows(), cols()                            its shape
///   tile(row, rows, col, cols, to, to_row)    element (row + i, col + j) goes to to[i * to_row + j], i < rows, j <
///   cols,
///                                             and nothing else is written. 1 <= rows <= tile_height; col is a multiple
///                                             of tile_width; cols is tile_width, or what is left of the row.
/// Tiles are asked for by several threads at once, and each may be asked for more than once.
template <class S>
concept RowSource = requires(const S& source, std::int64_t i, float* to) {
  { source.rows() } -> std::convertible_to<std::int64_t>;
  { source.cols() } -> std::convertible_to<std::int64_t>;
  source.tile(i, i, i, i, to, i);
};

/// Row-major float, bfloat16 or half in memory.
template <class Stored>
class StoredRows {
 public:
  StoredRows(const Stored* data, std::int64_t rows, std::int64_t cols, std::int64_t row_stride)
      : data_(data), rows_(rows), cols_(cols), row_stride_(row_stride) {}
  StoredRows(const Stored* data, std::int64_t rows, std::int64_t cols) : StoredRows(data, rows, cols, cols) {}

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  const Stored* data() const { return data_; }
  std::int64_t row_stride() const { return row_stride_; }

  void tile(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* to,
            std::int64_t to_row) const {
    using V = Simd<float>;
    for (std::int64_t i = 0; i < rows; ++i) {
      const Stored* from = data_ + (row + i) * row_stride_ + col;
      float* t = to + i * to_row;
      std::int64_t j = 0;
      for (; j + V::size <= cols; j += V::size) V::load(from + j).store(t + j);
      for (; j < cols; ++j) t[j] = float(from[j]);
    }
  }

 private:
  const Stored* data_;
  std::int64_t rows_, cols_, row_stride_;
};

/// to[i, j] = fma(scale, z[i, j], w[i, j]) on a tile; `to` may be w.
inline void add_scaled_tile(float scale, const float* z, std::int64_t z_row, const float* w, std::int64_t w_row,
                            std::int64_t rows, std::int64_t cols, float* to, std::int64_t to_row) {
  using V = Simd<float>;
  const V s(scale);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; j += V::size)
      if (const std::int64_t some = cols - j; some >= V::size)
        fmadd(s, V::load(z + i * z_row + j), V::load(w + i * w_row + j)).store(to + i * to_row + j);
      else
        fmadd(s, V::load(z + i * z_row + j, some), V::load(w + i * w_row + j, some)).store(to + i * to_row + j, some);
}

/// A direction and how far along it.
template <RowSource Z>
struct ScaledRows {
  Z direction;
  float scale;
};

/// W + s₀ Z₀ + s₁ Z₁ + …, one fused multiply-add a term in their order. W is not written, no sum is stored.
template <RowSource W, RowSource Z>
class PerturbedRows {
 public:
  PerturbedRows(W w, std::span<const ScaledRows<Z>> terms) : w_(w), terms_(terms) {}

  std::int64_t rows() const { return w_.rows(); }
  std::int64_t cols() const { return w_.cols(); }

  void tile(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* to,
            std::int64_t to_row) const {
    alignas(64) float z[tile_height * tile_width];
    w_.tile(row, rows, col, cols, to, to_row);
    for (const ScaledRows<Z>& term : terms_) {
      term.direction.tile(row, rows, col, cols, z, tile_width);
      add_scaled_tile(term.scale, z, tile_width, to, to_row, rows, cols, to, to_row);
    }
  }

 private:
  W w_;
  std::span<const ScaledRows<Z>> terms_;
};

}  // namespace tenzo
