// SynFlow: pruning without data, by the flow through the network of absolute weights.
//   Source  Tanaka, Kunin, Yamins, Ganguli 2020, "Pruning neural networks without any data by iteratively conserving
//           synaptic flow", algorithm 1.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/select.hpp"

namespace tenzo::prune {

/// A model in double precision.
template <Tree M>
using InDouble = rebind_t<Tensor<double>, M>;

/// The network of absolute weights, in double and on the host: |θ| for weights, no biases, and norms that change
/// nothing (weight and variance one, bias and mean zero). A norm's eps is left, a factor that all scores share.
template <Tree M>
InDouble<M> absolute_network(const M& model) {
  using D = Tensor<double>;
  return map_tree<D>(model, [](const Path& at, const auto& w) {
    if (w.rank() >= 2) return abs(w.template to<Cpu>().template cast<double>());
    const bool one = at.name == "weight" || at.name == "running_var";
    return D::full(w.shape(), one ? 1 : 0);
  });
}

/// R = Σ f(1) of a network and the scores θ ⊙ ∂R/∂θ of its prunable leaves.
///   input    of one sample, without the batch's axis
///   Where every path through a network of relus passes a layer once, the scores of that layer sum to R.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
ValueAnd<double, M> synaptic_flow(const M& network, const Shape& input, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  const V ones = V::ones(input.inserted(0, 1));
  const std::vector<bool> chosen = detail::chosen_leaves(network, prunable);
  std::size_t i = 0;
  const auto r = value_and_grad([&](const auto& m) { return sum(m(ones)); }, network,
                                [&](const Path&) { return bool(chosen[i++]); });
  return {double(r.value.item()), map_tree<V>(
                                      r.grad, [](const V& g, const V& w) { return mul(w, g); }, network)};
}

/// The mask of `rounds` rounds, the density ρ^(k / rounds) after round k; what is pruned stays so.
///   model    callable on images, positively homogeneous in each layer: relus, pooling, convolutions and linear layers
///   Throws   ValueError where a layer would be emptied, in a branch beside a shortcut, too; or the flow is zero or
///            overflows.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
Mask<M> synflow_mask(const M& model, const Shape& input, double density, std::int64_t rounds = 100,
                     Prunable&& prunable = is_prunable) {
  require(density > 0 && density <= 1, "synflow: the density is ", density, "; want a number in (0, 1]");
  require(rounds > 0, "synflow: ", rounds, " rounds");
  const InDouble<M> network = absolute_network(model);
  Mask<M> mask = dense_mask(network, prunable);
  for (std::int64_t k = 1; k <= rounds; ++k) {
    const auto flow = synaptic_flow(masked(network, mask), input, prunable);
    require(std::isfinite(flow.value) && flow.value > 0, "synflow: the flow of round ", k, " is ", flow.value);
    // At high sparsity all weights of a path have one score up to rounding; exact ties keep the count.
    mask = largest(
        flow.grad,
        {.density = std::pow(density, double(k) / double(rounds)), .scope = Scope::global, .ties = Ties::exact}, &mask);
    require_every_layer("synflow", mask);
  }
  return mask;
}

}  // namespace tenzo::prune
