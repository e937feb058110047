// Masks by what networks are pruned with; included where one network's are compiled.
#pragma once

#include <cstdint>

#include "arm.hpp"
#include "tenzo/prompt/prompted.hpp"
#include "tenzo/prune/bip.hpp"
#include "tenzo/prune/iterative.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/synflow.hpp"

namespace vpns {

using namespace tenzo;

/// A mask and what it has cost.
template <class M>
struct Chosen {
  prune::Mask<M> mask;
  std::int64_t updates = 0;
};

/// Masks that the loss of one batch, or no data, chooses.
///   model   without a prompt; stays as it is
template <class M>
Chosen<M> one_shot(const M& model, const Samples<float>& train, const Arm& arm, std::uint64_t seed) {
  const prune::Cut cut{.density = arm.density, .ties = prune::Ties::exact};
  if (arm.method == "random") return {prune::largest(prune::random_scores(model, seed, prompt::is_net_weight), cut)};
  if (arm.method == "omp") return {prune::largest(prune::magnitude_scores(model, prompt::is_net_weight), cut)};
  if (arm.method == "synflow")
    return {prune::synflow_mask(model, train.x.shape().without(0), arm.density, 100, prompt::is_net_weight)};
  Rows rows = epoch_order(train.size(), seed, 0);
  rows.resize(std::min<std::size_t>(rows.size(), 256));
  const Samples<float> batch = train.at(rows);
  BatchStatistics<leaf_t<M>> unused;
  const auto loss = [&](const auto& m) {
    unused.clear();
    return cross_entropy(training_scores(m, batch.x, unused), batch.labels);
  };
  if (arm.method == "snip") return {prune::largest(prune::snip_scores(loss, model, prompt::is_net_weight), cut)};
  return {};
}

/// GraSP, whose Hessian products are compiled apart.
template <class M>
Chosen<M> grasp(const M& model, const Samples<float>& train, const Arm& arm, std::uint64_t seed) {
  Rows rows = epoch_order(train.size(), seed, 0);
  rows.resize(std::min<std::size_t>(rows.size(), 256));
  const Samples<float> batch = train.at(rows);
  const auto loss = [&](const auto& m) { return cross_entropy(deployed_scores(m, batch.x), batch.labels); };
  return {prune::largest(prune::grasp_scores(loss, model, prompt::is_net_weight),
                         {.density = arm.density, .ties = prune::Ties::exact})};
}

/// Masks by training: IMP, whose rounds are of `find_epochs` each, and BiP, which leaves its own weights in the model.
template <class M>
Chosen<M> by_training(M& model, const Samples<float>& train, const Arm& arm, const Rates& rates, std::uint64_t seed) {
  const std::int64_t batch = 32, each = (train.size() + batch - 1) / batch;
  if (arm.method == "imp") {
    const prune::ImpOptions o{.density = arm.density};
    const std::int64_t rounds = prune::imp_rounds(o);
    std::int64_t round = 0;
    Chosen<M> c;
    c.mask = prune::imp_(
        model, o,
        [&](M& m, const prune::Mask<M>& mask) {
          if (round++ == rounds) return;  // the last training is the second stage
          prune::train_masked_(m, mask, train,
                               {.epochs = arm.find_epochs,
                                .batch = batch,
                                .sgd = {.lr = rates.net, .momentum = 0.9, .weight_decay = 1e-4},
                                .seed = seed + std::uint64_t(round)});
        },
        prompt::is_net_weight);
    c.updates = rounds * arm.find_epochs * each;
    return c;
  }
  const prune::BipOptions o{
      .scores = {.cut = {.density = arm.density}, .adam = {.lr = rates.bip_scores}, .weight_decay = 0},
      .theta = {.lr = rates.bip_net, .momentum = 0.9, .weight_decay = 1e-4},
      .epochs = arm.find_epochs,
      .batch = batch,
      .seed = seed};
  return {prune::bip_(model, train, o, prompt::is_net_weight).mask, 2 * arm.find_epochs * each};
}

}  // namespace vpns
