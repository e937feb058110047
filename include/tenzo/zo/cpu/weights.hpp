// Weights that are read through a perturbation, on the CPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/gemm_rows.hpp"
#include "tenzo/core/stored.hpp"
#include "tenzo/zo/perturbation.hpp"

namespace tenzo::zo {

namespace detail {

/// A stored weight as the packing of a product reads it.
struct WeightRows {
  const StoredTensor* w;
  std::int64_t rows() const { return w->rows(); }
  std::int64_t cols() const { return w->cols(); }
  void tile(std::int64_t row, std::int64_t nrows, std::int64_t col, std::int64_t ncols, float* to,
            std::int64_t ld) const {
    w->decode(row, nrows, col, ncols, to, ld);
  }
};

/// A direction on one leaf, of any structure.
struct DirectionRows {
  const Direction* d;
  std::uint32_t leaf;
  std::int64_t n, k;
  std::int64_t rows() const { return n; }
  std::int64_t cols() const { return k; }
  void tile(std::int64_t row, std::int64_t nrows, std::int64_t col, std::int64_t ncols, float* to,
            std::int64_t ld) const {
    direction_tile(*d, leaf, n, k, row, nrows, col, ncols, to, ld);
  }
};

/// Both sides of a product whose weight moves along one direction.
inline void pair_product(const WeightRows& w, std::uint32_t leaf, const Direction& d, const ProbeSide& first,
                         const ProbeSide& second) {
  const auto with = [&]<Law::Kind kind>(std::integral_constant<Law::Kind, kind>) {
    gemm_pair(w, Noise<kind>(noise_key(d, leaf), w.rows(), w.cols()), first, second);
  };
  if (!is_plain(d, leaf, w.rows())) gemm_pair(w, DirectionRows{&d, leaf, w.rows(), w.cols()}, first, second);
  else if (d.law == DirectionLaw::rademacher) with(std::integral_constant<Law::Kind, Law::rademacher>());
  else with(std::integral_constant<Law::Kind, Law::normal>());
}

}  // namespace detail

}  // namespace tenzo::zo

namespace tenzo::cpu {

/// to = rows [begin, end) of W + Σ factor[side] u, on the calling thread; W itself where `how` is null.
template <Real T>
void read_rows(const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how, int side, std::int64_t begin,
               std::int64_t end, T* to) {
  const std::int64_t rows = w.rows(), cols = w.cols();
  std::vector<zo::Step> steps;
  if (how)
    for (const zo::ProbeTerm& t : how->terms) steps.push_back({t.direction, t.factor[std::size_t(side)]});
  std::vector<float> decoded(std::is_same_v<T, float> || w.dtype() == dtype_of<T> ? 0 : std::size_t(cols));
  for (std::int64_t r = begin; r < end; ++r, to += cols) {
    if (w.dtype() == dtype_of<T>) std::memcpy(to, w.row(r), std::size_t(cols) * sizeof(T));
    else if constexpr (std::is_same_v<T, float>) w.decode(r, 1, 0, cols, to, cols);
    else {
      w.decode(r, 1, 0, cols, decoded.data(), cols);
      std::copy(decoded.begin(), decoded.end(), to);
    }
    zo::detail::add_steps_to_row_(to, steps, leaf, rows, cols, r, 0, cols);
  }
}

/// to = W + Σ factor[side] u.
template <Real T>
void read_weight(Device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how, int side, T* to) {
  read_rows(w, leaf, how, side, 0, w.rows(), to);
}

/// to[s] = W + Σ factor[s] u.
template <Real T>
void read_weight_sides(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how,
                       std::span<T* const> to) {
  for (std::size_t s = 0; s < to.size(); ++s) read_weight(device, w, leaf, how, int(s), to[s]);
}

/// to[s][i] = row index[i] of W + Σ factor[s] u, for as many sides as `to` has. Only those rows are read, and only
/// their noise is drawn.
template <Real T>
void read_weight_rows(Device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how,
                      const Tensor<std::int64_t>& index, std::span<T* const> to) {
  const std::int64_t cols = w.cols();
  for (std::size_t s = 0; s < to.size(); ++s)
    parallel_for(index.size(), std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, cols)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     read_rows(w, leaf, how, int(s), index(i), index(i) + 1, to[s] + i * cols);
                 });
}

/// w ← w + Σ factor u, or from + that.
template <Real T>
void add_steps_(Device, T* w, std::int64_t rows, std::int64_t cols, std::uint32_t leaf,
                const std::vector<zo::Step>& steps, const T* from = nullptr) {
  zo::add_steps_(w, rows, cols, leaf, steps, from);
}

/// Σ z² of noise.
inline double squared_norm(Device, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  return tenzo::squared_norm(law, key, rows, cols);
}

/// y = x (W + Σ factor[s] u)ᵀ + bias on each side, W read tile by tile; x of n rows.
TENZO_COMPILED void multiply_weight(Device, std::int64_t n, const StoredTensor& w, std::uint32_t leaf,
                                    const zo::Perturbation* how, std::span<const zo::AffineSide> sides);

#if TENZO_DEFINES(zo)
TENZO_COMPILED void multiply_weight(Device, std::int64_t n, const StoredTensor& w, std::uint32_t leaf,
                                    const zo::Perturbation* how, std::span<const zo::AffineSide> sides) {
  using namespace zo::detail;
  using View = MatrixView<const float>;
  const std::int64_t k = w.cols(), m = w.rows();
  const WeightRows rows{&w};
  const auto x = [&](std::size_t s) { return View::row_major(sides[s].x, n, k); };
  const auto y = [&](std::size_t s) { return MatrixView<float>::row_major(sides[s].y, n, m); };
  const auto options = [&](std::size_t s) { return GemmOptions<float>{.accumulate = false, .bias = sides[s].bias}; };
  if (how && how->terms.size() == 1 && sides.size() == 2) {
    const zo::ProbeTerm& t = how->terms[0];
    pair_product(rows, leaf, t.direction, {x(0), float(t.factor[0]), y(0), options(0)},
                 {x(1), float(t.factor[1]), y(1), options(1)});
    return;
  }
  for (std::size_t s = 0; s < sides.size(); ++s) {
    std::vector<ScaledRows<DirectionRows>> terms;
    if (how)
      for (const zo::ProbeTerm& t : how->terms)
        if (t.direction.covers(leaf)) terms.push_back({{&t.direction, leaf, m, k}, float(t.factor[s])});
    if (terms.empty()) gemm_rows(x(s), rows, y(s), options(s));
    else gemm_rows(x(s), PerturbedRows<WeightRows, DirectionRows>(rows, terms), y(s), options(s));
  }
}
#endif

}  // namespace tenzo::cpu
