// Training under a mask, and pruning by training: iterative magnitude pruning with rewinding.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/select.hpp"
#include "tenzo/train/classifier.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::prune {

/// Training of what a mask keeps: the second stage of HYDRA and of VPNs, fine-tuning after one-shot pruning.
///   Pruned weights are set to zero and stay so: their gradients are zero, and so are decay and momentum of a zero. So
///   the outputs are those of θ ⊙ m trained with m in the forward pass. What the weights were is forgotten; keep a
///   copy.
template <class M, Real T, MaskTree K, class Loss = CrossEntropyLoss, class OnGradient = NoHook,
          class Trained = bool (*)(const Path&)>
void train_masked_(M& model, const K& mask, const Samples<T>& s, const TrainOptions& o, Loss&& loss = {},
                   OnGradient&& on_gradient = {}, Trained&& trained = is_trained) {
  zero_pruned_(model, mask);
  train_(
      model, s, o, std::forward<Loss>(loss),
      [&](M& g) {
        on_gradient(g);
        zero_pruned_(g, mask);
      },
      std::forward<Trained>(trained));
}

struct ImpOptions {
  double density = 0.1;  // at the end
  double keep = 0.8;     // share of what is left that a round keeps
  Scope scope = Scope::global;
};

/// How many rounds of pruning IMP takes: the least n with keep^n <= density.
inline std::int64_t imp_rounds(const ImpOptions& o) {
  require(0 < o.density && o.density <= 1 && 0 < o.keep && o.keep < 1, "imp: density ", o.density, ", keep ", o.keep,
          "; want density in (0, 1], keep in (0, 1)");
  return std::int64_t(std::ceil(std::log(o.density) / std::log(o.keep) - 1e-9));
}

/// Iterative magnitude pruning, the lottery ticket's: train; keep the largest `keep` of what is left by |θ|; rewind to
/// the start; until the density is reached. Ends with a training of the last mask.
///   train(model, mask)   trains in place and leaves pruned weights at zero, as `train_masked_` does
///   model   the start; at the end the trained sub-network
///   Source  Frankle, Carbin 2019, strategy 1 with global pruning.
template <Tree M, class Train, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
Mask<M> imp_(M& model, const ImpOptions& o, Train&& train, Prunable&& prunable = is_prunable) {
  const std::int64_t rounds = imp_rounds(o);
  const M start = clone(model);
  Mask<M> mask = dense_mask(model, prunable);
  for (std::int64_t k = 1; k <= rounds; ++k) {
    train(model, std::as_const(mask));
    const double density = std::max(o.density, std::pow(o.keep, double(k)));
    mask = largest(magnitude_scores(model, prunable), {.density = density, .scope = o.scope}, &mask);
    model = clone(start);
    zero_pruned_(model, mask);
  }
  train(model, std::as_const(mask));
  return mask;
}

}  // namespace tenzo::prune
