// Scores of weights before training: how much each is worth keeping. In all of them larger means kept.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/prune/mask.hpp"

namespace tenzo::prune {

namespace detail {

/// Which leaves are prunable and trained, in the tree's order: what a choice by the path alone is asked for.
template <Tree M, class Prunable>
std::vector<bool> chosen_leaves(const M& model, Prunable&& prunable) {
  std::vector<bool> chosen;
  for_each_leaf(
      [&](const Path& at, const auto& w) { chosen.push_back(!is_running_statistic(at) && prunable(at, w.shape())); },
      model);
  return chosen;
}

/// The gradient of the prunable leaves; the others are constants.
template <class Loss, Tree M, class Prunable>
M gradient_of_prunable(Loss&& loss, const M& model, Prunable&& prunable) {
  const std::vector<bool> chosen = chosen_leaves(model, prunable);
  std::size_t i = 0;
  return value_and_grad(loss, model, [&](const Path&) { return bool(chosen[i++]); }).grad;
}

}  // namespace detail

/// Independent uniform numbers in (0, 1), a function of the seed, the leaf and the element: random pruning.
///   With 52 bits equal scores do not happen: counts are exact.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
auto random_scores(const M& model, std::uint64_t seed, Prunable&& prunable = is_prunable) {
  std::uint32_t leaf = 0;
  return map_tree<Tensor<double>>(model, [&](const Path& at, const auto& w) {
    const NoiseKey key = NoiseKey{.seed = seed, .tensor = leaf++}.of(Purpose::dropout);
    if (!prunable(at, w.shape())) return Tensor<double>{};
    Tensor<double> s(w.shape());
    for (std::int64_t i = 0; i < s.size(); ++i) {
      const PhiloxBlock x = philox4x32({std::uint32_t(i), key.tensor, std::uint32_t(i >> 32), 0}, key.seed);
      s(i) = (double(x[0]) * 0x1p20 + double(x[1] >> 12) + 0.5) * 0x1p-52;
    }
    return s;
  });
}

/// |θ|: magnitude pruning. Over all layers together it is OMP, with Scope::per_leaf a share of each.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
M magnitude_scores(const M& model, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  return map_tree<V>(model, [&](const Path& at, const V& w) { return prunable(at, w.shape()) ? abs(w) : V{}; });
}

/// SNIP: |θ ⊙ ∇L(θ)|, the change of the loss, to first order, when a weight goes.
///   loss     of a model on any value type, a single number: of one batch, say
///   Source   Lee, Ajanthan, Torr 2019, SNIP.
template <class Loss, Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
M snip_scores(Loss&& loss, const M& model, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  return map_tree<V>(
      detail::gradient_of_prunable(loss, model, prunable), [](const V& g, const V& w) { return abs(mul(w, g)); },
      model);
}

/// GraSP: θ ⊙ H g with g the gradient and H the Hessian of the loss by the prunable weights. The paper's score
/// −θ ⊙ H g is the change of ‖g‖²/2 when a weight goes, and the largest go: this is its negative, larger means kept.
///   Cost     a gradient and a Hessian product.
///   Source   Wang, Zhang, Grosse 2020, GraSP, equation 8.
template <class Loss, Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
M grasp_scores(Loss&& loss, const M& model, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  const M g = detail::gradient_of_prunable(loss, model, prunable);
  const M hg = hvp(loss, model, g);
  return map_tree<V>(
      g, [](const V&, const V& h, const V& w) { return mul(w, h); }, hg, model);
}

}  // namespace tenzo::prune
