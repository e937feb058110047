// Products with weights that are made while they are read: y = x Wᵀ for a row source W (stored, quantised, perturbed),
// and the two sides of a zeroth-order probe, W + s₊ Z and W + s₋ Z, from one visit to W and one draw of Z.
//
// The order of sums is that of `gemm`: a product with a row source has the bits of gemm with the matrix that the
// source would write.
#pragma once

#include <array>
#include <cstdint>

#include "tenzo/core/gemm.hpp"
#include "tenzo/core/row_source.hpp"

namespace tenzo {

namespace detail {

static_assert(Simd<float>::size == tile_height && tile_columns == tile_width);

/// Calls tile(first row, rows, first column, columns, place in the panel) for every tile of a panel.
template <class F>
void for_tiles(std::int64_t j, std::int64_t columns, std::int64_t vectors, std::int64_t p, std::int64_t k, F&& tile) {
  const std::int64_t width = vectors * tile_height;
  for (std::int64_t first = 0; first < width; first += tile_height)
    for (std::int64_t q = 0; q < k; q += tile_width)
      tile(j + first, std::min(tile_height, columns - first), p + q, std::min(tile_width, k - q), q * width + first);
}

/// Panels of a row source.
template <RowSource W>
struct RowPanels {
  const W& w;

  PanelSet<float, 1> operator()(std::int64_t j, std::int64_t columns, std::int64_t vectors, std::int64_t p,
                                std::int64_t k, const std::array<float*, 1>& to) const {
    Tile<float> tile;
    for_tiles(j, columns, vectors, p, k, [&](auto row, auto rows, auto col, auto cols, auto place) {
      w.tile(row, rows, col, cols, tile.at, tile_width);
      tile.pad(rows, cols);
      transpose_rows(tile.at, tile_width, (cols + 3) / 4 * 4, to[0] + place, vectors * tile_height);
    });
    return {{to[0]}, vectors * tile_height};
  }
};

/// Panels of W + plus Z and of W + minus Z.
template <RowSource W, RowSource Z>
struct PairPanels {
  const W& w;
  const Z& z;
  float plus, minus;

  PanelSet<float, 2> operator()(std::int64_t j, std::int64_t columns, std::int64_t vectors, std::int64_t p,
                                std::int64_t k, const std::array<float*, 2>& to) const {
    Tile<float> weights, noise, sum;
    for_tiles(j, columns, vectors, p, k, [&](auto row, auto rows, auto col, auto cols, auto place) {
      w.tile(row, rows, col, cols, weights.at, tile_width);
      z.tile(row, rows, col, cols, noise.at, tile_width);
      weights.pad(rows, cols);
      noise.pad(rows, cols);
      const std::int64_t fours = (cols + 3) / 4 * 4;
      for (const auto& [scale, panel] : {std::pair{plus, to[0]}, std::pair{minus, to[1]}}) {
        add_scaled_tile(scale, noise.at, tile_width, weights.at, tile_width, tile_height, fours, sum.at, tile_width);
        transpose_rows(sum.at, tile_width, fours, panel + place, vectors * tile_height);
      }
    });
    return {{to[0], to[1]}, vectors * tile_height};
  }
};

template <std::size_t Q, class Panels>
void rows_product(std::int64_t m, std::int64_t n, std::int64_t k, const std::array<Operands<float>, Q>& all,
                  const Panels& panels) {
  if (m == 0 || n == 0) return;
  const auto cut = cut_product<float>(m, n, k, PanelKind::made);
  parallel_for(cut.pieces(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t piece = begin; piece < end; ++piece) product_piece<float, Q>(cut, n, k, all, panels, piece);
  });
}

inline Operands<float> operands(const MatrixView<const float>& x, const MatrixView<float>& y,
                                const GemmOptions<float>& o) {
  return {{x.data, x.row_stride, x.col_stride}, y.data, y.row_stride, o.accumulate, o.bias};
}

}  // namespace detail

/// y = x Wᵀ, or y + x Wᵀ, then + bias: x (m, k), W (n, k), y (m, n).
///   Memory   a panel of W at a time; W is read once.
///   Throws   as gemm.
template <RowSource W>
void gemm_rows(MatrixView<const float> x, const W& w, MatrixView<float> y, GemmOptions<float> options = {}) {
  detail::expect_product<float>(x, w.cols(), w.rows(), y);
  detail::rows_product<1>(x.rows, w.rows(), w.cols(), {detail::operands(x, y, options)}, detail::RowPanels<W>{w});
}

/// One side of a probe: y = x (W + scale Z)ᵀ, or y + that, then + bias.
struct ProbeSide {
  MatrixView<const float> x;
  float scale;
  MatrixView<float> y;
  GemmOptions<float> options{};
};

/// Both sides of a probe: each tile of W is read once and each tile of Z drawn once, for both.
///   Weights   fma(scale, Z, W), each rounded once. The sides may share x; no y may overlap anything else.
///   Memory    two panels at a time; nothing is written but y.
///   Throws    as gemm.
template <RowSource W, RowSource Z>
void gemm_pair(const W& w, const Z& z, const ProbeSide& plus, const ProbeSide& minus) {
  expect(z.rows() == w.rows() && z.cols() == w.cols(), "gemm_pair: the direction is (", z.rows(), ", ", z.cols(),
         "), the weights are (", w.rows(), ", ", w.cols(), ")");
  for (const ProbeSide* side : {&plus, &minus}) detail::expect_product<float>(side->x, w.cols(), w.rows(), side->y);
  expect(plus.x.rows == minus.x.rows, "gemm_pair: the sides have ", plus.x.rows, " and ", minus.x.rows, " rows");
  detail::rows_product<2>(
      plus.x.rows, w.rows(), w.cols(),
      {detail::operands(plus.x, plus.y, plus.options), detail::operands(minus.x, minus.y, minus.options)},
      detail::PairPanels<W, Z>{w, z, plus.scale, minus.scale});
}

}  // namespace tenzo
