// Weights that are read through a perturbation, on a GPU: what a Probe there asks for.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/cuda/perturb.hpp"
#include "tenzo/cuda/stored.hpp"
#include "tenzo/zo/perturbation.hpp"

namespace tenzo::cuda {

namespace detail {

/// The terms of a perturbation on one leaf. Masks are copied to the GPU once, and stay there with the host's.
inline std::vector<DirectionTerm> leaf_terms(const zo::Perturbation* how, std::uint32_t leaf, std::int64_t rows) {
  std::vector<DirectionTerm> terms;
  if (!how) return terms;
  for (const zo::ProbeTerm& t : how->terms) {
    const zo::Direction& d = t.direction;
    if (!d.covers(leaf)) continue;
    const bool masked = d.masks && leaf < d.masks->size() && (*d.masks)[leaf].defined();
    terms.push_back(
        direction_term(d, leaf, rows, t.factor, masked ? (*d.masks)[leaf].template on<Device>().data() : nullptr));
  }
  return terms;
}

}  // namespace detail

/// to = W + Σ factor[side] u.
inline void read_weight(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how, int side,
                        float* to) {
  perturbed(device, w.matrix(), detail::leaf_terms(how, leaf, w.rows()), side, to);
}

/// to[s][i] = row index[i] of W + Σ factor[s] u, for as many sides as `to` has.
inline void read_weight_rows(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how,
                             const Tensor<std::int64_t>& index, std::span<float* const> to) {
  perturbed_rows(device, w.matrix(), index.size(), index.on<Device>().data(), detail::leaf_terms(how, leaf, w.rows()),
                 to);
}

/// y = x (W + Σ factor[s] u)ᵀ + bias on each side; x of n rows.
inline void multiply_weight(Device device, std::int64_t n, const StoredTensor& w, std::uint32_t leaf,
                            const zo::Perturbation* how, std::span<const zo::AffineSide> sides) {
  const std::vector<DirectionTerm> terms = detail::leaf_terms(how, leaf, w.rows());
  if (!terms.empty()) return affine_perturbed(device, n, w.matrix(), terms, sides);
  for (const zo::AffineSide& side : sides) affine_stored(device, n, w.matrix(), side);
}

}  // namespace tenzo::cuda
