// Weights that are read through a perturbation, on a GPU: what a Probe there asks for.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/cuda/descent.hpp"
#include "tenzo/cuda/perturb.hpp"
#include "tenzo/cuda/stored.hpp"
#include "tenzo/zo/perturbation.hpp"

namespace tenzo::cuda {

namespace detail {

/// A direction's mask of a leaf, or null. Masks are copied to the GPU once, and stay there with the host's.
inline const std::uint8_t* mask_of(const zo::Direction& d, std::uint32_t leaf) {
  const bool masked = d.masks && leaf < d.masks->size() && (*d.masks)[leaf].defined();
  return masked ? (*d.masks)[leaf].template on<Device>().data() : nullptr;
}

/// Adds a direction, unless it leaves the leaf out.
inline void add_term(std::vector<DirectionTerm>& terms, const zo::Direction& d, std::uint32_t leaf, std::int64_t rows,
                     std::array<double, 2> factor) {
  if (d.covers(leaf)) terms.push_back(direction_term(d, leaf, rows, factor, mask_of(d, leaf)));
}

/// The terms of a perturbation on one leaf.
class LeafTerms {
 public:
  LeafTerms(const zo::Perturbation* how, std::uint32_t leaf, std::int64_t rows) : leaf_(leaf) {
    if (!how) return;
    if (how->recorded) {
      buffer_ = how->recorded;
      mask_ = mask_of(how->terms.at(0).direction, leaf);
      return;
    }
    for (const zo::ProbeTerm& t : how->terms) add_term(values_, t.direction, leaf, rows, t.factor);
  }
  bool empty() const { return !buffer_ && values_.empty(); }
  operator Terms() const { return buffer_ ? Terms(*buffer_, leaf_, mask_) : Terms(values_); }

 private:
  std::vector<DirectionTerm> values_;
  const TermBuffer* buffer_ = nullptr;
  std::uint32_t leaf_;
  const std::uint8_t* mask_ = nullptr;
};

/// Steps on one leaf, as terms.
inline std::vector<DirectionTerm> step_terms(const std::vector<zo::Step>& steps, std::uint32_t leaf,
                                             std::int64_t rows) {
  std::vector<DirectionTerm> terms;
  for (const zo::Step& s : steps) add_term(terms, s.direction, leaf, rows, {s.factor, s.factor});
  return terms;
}

}  // namespace detail

/// to = W + Σ factor[side] u.
inline void read_weight(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how, int side,
                        float* to) {
  perturbed(device, w.matrix(), detail::LeafTerms(how, leaf, w.rows()), side, to);
}

/// to[s] = W + Σ factor[s] u, of two sides from one visit.
inline void read_weight_sides(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how,
                              std::span<float* const> to) {
  perturbed_sides(device, w.matrix(), detail::LeafTerms(how, leaf, w.rows()), to);
}

/// to[s][i] = row index[i] of W + Σ factor[s] u, for as many sides as `to` has.
inline void read_weight_rows(Device device, const StoredTensor& w, std::uint32_t leaf, const zo::Perturbation* how,
                             const Tensor<std::int64_t>& index, std::span<float* const> to) {
  perturbed_rows(device, w.matrix(), index.size(), index.on<Device>().data(), detail::LeafTerms(how, leaf, w.rows()),
                 to);
}

/// y = x (W + Σ factor[s] u)ᵀ + bias on each side; x of n rows.
inline void multiply_weight(Device device, std::int64_t n, const StoredTensor& w, std::uint32_t leaf,
                            const zo::Perturbation* how, std::span<const zo::AffineSide> sides) {
  const detail::LeafTerms terms(how, leaf, w.rows());
  if (!terms.empty()) return affine_perturbed(device, n, w.matrix(), terms, sides);
  for (const zo::AffineSide& side : sides) affine_stored(device, n, w.matrix(), side);
}

/// w ← w + Σ factor u, or from + that, with the bits of the CPU.
template <Real T>
void add_steps_(Device device, T* w, std::int64_t rows, std::int64_t cols, std::uint32_t leaf,
                const std::vector<zo::Step>& steps, const T* from = nullptr) {
  add_directions_(device, w, rows, cols, detail::step_terms(steps, leaf, rows), from);
}

namespace detail {

/// Whether all leaves can take the same terms: noise of a law on each of them.
inline bool are_alike(const std::vector<zo::Step>& steps, std::span<const zo::LeafUpdate<StoredTensor>> leaves) {
  for (const zo::Step& s : steps) {
    if (s.direction.rank > 0 || s.direction.law == zo::DirectionLaw::coordinate) return false;
    if (s.direction.masks != steps[0].direction.masks) return false;
    for (const auto& l : leaves)
      if (!s.direction.covers(l.number)) return false;
  }
  return true;
}

inline DescentLeaf descent_leaf(const zo::LeafUpdate<StoredTensor>& l, const zo::Direction* like) {
  return {.w = l.w->writable_data(),
          .rows = l.w->rows(),
          .cols = l.w->cols(),
          .number = l.number,
          .decays = l.w->shape().rank() > 1,
          .mask = like ? mask_of(*like, l.number) : nullptr,
          .m = l.first,
          .v = l.second};
}

/// A table for each type among the leaves.
inline std::vector<LeafTable> leaf_tables(Device device, std::span<const zo::LeafUpdate<StoredTensor>> leaves,
                                          const zo::Direction* like) {
  std::map<DType, std::vector<DescentLeaf>> by_type;
  for (const auto& l : leaves) by_type[l.w->dtype()].push_back(descent_leaf(l, like));
  std::vector<LeafTable> tables;
  for (const auto& [type, all] : by_type) tables.push_back(leaf_table(device, type, all));
  return tables;
}

}  // namespace detail

/// The step on all of these leaves, of f32, f16 or bf16, with the bits of the CPU: one launch for each type, where the
/// directions are noise on all of them, else one for each leaf.
inline void descend_leaves_(Device device, const zo::UpdateStep& step,
                            const std::vector<zo::LeafUpdate<StoredTensor>>& leaves,
                            const std::vector<zo::Step>& steps) {
  if (!detail::are_alike(steps, leaves)) {
    for (const auto& l : leaves)
      descend_(device, zo::Descent(step, l.number), l.w->dtype(), detail::descent_leaf(l, nullptr),
               detail::step_terms(steps, l.number, l.w->rows()));
    return;
  }
  std::vector<DirectionTerm> terms;
  for (const zo::Step& s : steps) terms.push_back(direction_term(s.direction, 0, 1, {s.factor, s.factor}));
  const zo::Direction* const like = steps.empty() ? nullptr : &steps[0].direction;
  for (const LeafTable& t : detail::leaf_tables(device, leaves, like))
    descend_(device, zo::Descent(step), t, Terms(terms));
}

}  // namespace tenzo::cuda
