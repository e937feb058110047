// Weights that are read through a perturbation, on a GPU: products and rows of tables at one or two points W + f₀ u,
// W + f₁ u, from one visit to W and one draw of u. kernels/perturb.cuh defines what is declared here.
//
// Every element of a product is one chain of fused multiply-adds in the order of k, as on the CPU: the same bits.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>

#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/noise.hpp"
#include "tenzo/cuda/quantized.hpp"
#include "tenzo/zo/perturbation.hpp"

namespace tenzo::cuda {

/// A direction on one leaf of `rows` rows; `mask` is the leaf's, in the GPU's memory, where it has one.
inline DirectionTerm direction_term(const zo::Direction& d, std::uint32_t leaf, std::int64_t rows,
                                    std::array<double, 2> factor = {1, 1}, const std::uint8_t* mask = nullptr) {
  DirectionTerm t{.key = zo::detail::noise_key(d, leaf), .law = zo::detail::noise_law(d), .factor = factor};
  if (d.law == zo::DirectionLaw::coordinate) {
    t.element = d.element;
    return t;
  }
  if (d.law == zo::DirectionLaw::sphere) t.radius = float(d.radius);
  if (d.rank > 0 && rows > 1) {
    t.rank = d.rank;
    t.key = zo::detail::noise_key(d, leaf | zo::detail::left_factor);
    t.right = zo::detail::noise_key(d, leaf | zo::detail::right_factor);
  }
  t.mask = mask;
  return t;
}

using zo::AffineSide;

/// y = x Wᵀ + bias for W in any stored format, with the bits of gemm_rows.
///   Memory  no decoded W: a tile of it at a time in shared memory.
template <std::same_as<Device> D>
void affine_stored(D, std::int64_t m, const StoredMatrix& w, const AffineSide& side);

/// y_s = x_s (W + Σ factor[s] u)ᵀ + bias_s for one or two sides, with the bits of gemm_pair; W is not written.
///   One term of normal or Rademacher noise, on f32, f16 or bf16, is drawn while W is read, once for both sides. For
///   other terms W + Σ factor[s] u is made in memory first, a side at a time.
template <std::same_as<Device> D>
void affine_perturbed(D, std::int64_t m, const StoredMatrix& w, const Terms& terms, std::span<const AffineSide> sides);

/// y_s[i] = row index[i] of W + Σ factor[s] u, for as many sides as `y` has. Only those rows are read and drawn.
template <std::same_as<Device> D>
void perturbed_rows(D, const StoredMatrix& w, std::int64_t count, const std::int64_t* index, const Terms& terms,
                    std::span<float* const> y);

/// y = W + Σ factor[side] u.
template <std::same_as<Device> D>
void perturbed(D, const StoredMatrix& w, const Terms& terms, int side, float* y);
/// y_s = W + Σ factor[s] u, for as many sides as `y` has.
template <std::same_as<Device> D>
void perturbed_sides(D, const StoredMatrix& w, const Terms& terms, std::span<float* const> y);

}  // namespace tenzo::cuda
