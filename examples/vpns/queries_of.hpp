// Prompts that are trained by queries; included where one network's are compiled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "lab_of.hpp"

namespace vpns {

/// Trains a model's prompt by the losses of its batches, eight directions or coordinates an update. The radius 1e-2 and
/// the step size 1e-2 of random directions are the library's defaults; coordinates take 5e-2, set by hand: an update
/// moves eight numbers of the prompt alone. `vpns tune` has chosen none of them.
///   Returns the number of losses.
template <class M>
std::int64_t prompt_by_queries(M& model, const Samples<float>& train, prompt::Estimator estimator, std::int64_t batch,
                               std::int64_t updates, std::uint64_t seed) {
  const std::int64_t each = (train.size() + batch - 1) / batch;
  const auto loss = [&](const auto& p, std::int64_t t) {
    const Rows order = epoch_order(train.size(), seed, t / each);
    const Samples<float> some = train.at(std::span<const std::int64_t>(order).subspan(
        std::size_t(t % each * batch), std::size_t(std::min(batch, train.size() - t % each * batch))));
    M probe = model;
    probe.prompt = p;
    return double(cross_entropy(deployed_scores(probe, some.x), some.labels).item());
  };
  return prompt::train_by_queries_(model.prompt, loss,
                                   {.estimator = estimator,
                                    .queries = 8,
                                    .mu = 1e-2,
                                    .adam = {.lr = estimator == prompt::Estimator::random ? 1e-2 : 5e-2},
                                    .updates = updates,
                                    .seed = seed});
}

}  // namespace vpns
