// Training of classifiers that are to be smoothed: fresh noise for each sample in each epoch, and the objectives of
// smoothing/losses.hpp, on clean or on adversarial inputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tenzo/smoothing/adversary.hpp"
#include "tenzo/smoothing/losses.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::smoothing {

enum class Objective { gaussian, stability, macer, consistency };

inline Objective objective(std::string_view name) {
  if (name == "gaussian") return Objective::gaussian;
  if (name == "stability") return Objective::stability;
  if (name == "macer") return Objective::macer;
  require(name == "consistency", "smoothed training: unknown objective '", name,
          "'; want gaussian, stability, macer or consistency");
  return Objective::consistency;
}

struct SmoothedTraining {
  Objective objective = Objective::gaussian;
  double sigma = 0.5;                              // of Gaussian noise, in the units of inputs
  std::int64_t copies = 1;                         // noisy copies of each sample, m
  double lambda = 2;                               // weight of stability, of MACER's radius, of consistency
  double mu = 0.5;                                 // weight of consistency's entropy
  double beta = 16, gamma = 8;                     // of MACER
  std::int64_t defer = 0;                          // epochs before MACER's radius counts
  std::optional<SmoothAdvOptions> adversary = {};  // SmoothAdv: train on x + δ with the noise that δ was found with
  std::int64_t warmup = 0;                         // epochs in which its eps rises to its value

  /// The loss of a batch of scores (m, n, classes); of stability with those of the clean inputs, (n, classes).
  template <Value V>
  V loss(const V& scores, const V& clean, const Indices& labels, std::int64_t epoch) const {
    switch (objective) {
      case Objective::stability: return stability_loss(clean, scores, labels, lambda);
      case Objective::consistency: return consistency_loss(scores, labels, lambda, mu);
      case Objective::macer:
        return macer_loss(scores, labels,
                          {.sigma = sigma, .lambda = epoch < defer ? 0 : lambda, .gamma = gamma, .beta = beta});
      default: return copies_loss(scores, labels);
    }
  }
};

/// The next epoch of stochastic gradient descent on noisy copies. Noise is a function of the seed, the sample's number
/// in the set and the epoch.
///   Bits   a function of the model, the state, the samples and the options.
template <class M, Real T>
void train_smoothed_epoch_(M& model, TrainState<M>& state, const Samples<T>& s, const TrainOptions& o,
                           const SmoothedTraining& how) {
  require(o.batch > 0 && how.copies > 0 && how.sigma >= 0, "smoothed training: batches of ", o.batch, ", ", how.copies,
          " copies, sigma ", how.sigma);
  const std::int64_t n = s.size(), steps = n > 0 ? (n + o.batch - 1) / o.batch : 0, m = how.copies;
  const Schedule schedule{.kind = o.schedule, .steps = o.epochs * steps};
  const Rows order = epoch_order(n, o.seed, state.epoch);
  const AdditiveNoise noise{Family::gaussian, how.sigma};
  const bool with_clean = how.objective == Objective::stability;
  for (std::int64_t b = 0; b < steps; ++b) {
    const auto rows = std::span<const std::int64_t>(order).subspan(std::size_t(b * o.batch),
                                                                   std::size_t(std::min(o.batch, n - b * o.batch)));
    const Samples<T> batch = s.at(rows);
    const std::int64_t size = batch.size(), width = batch.x.shape().inner(0);
    // copy 0 has no noise where the objective wants clean scores: one pass for all
    Tensor<T> eta = Tensor<T>::zeros(batch.x.shape().inserted(0, m + with_clean));
    parallel_for(m * size, std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, width)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     noise.draw(
                         Stream{o.seed, rows[std::size_t(i % size)], Phase::training}.key(state.epoch * m + i / size),
                         width, eta.data() + (i + with_clean * size) * width);
                 });
    Tensor<T> delta;
    if (how.adversary) {
      SmoothAdvOptions attack = *how.adversary;
      if (state.epoch + 1 < how.warmup) attack.eps *= double(state.epoch + 1) / double(how.warmup);
      delta = smooth_adversary(model, batch.x, batch.labels, with_clean ? eta.rows(1, m + 1) : eta, attack);
    }
    const Tensor<T> inputs = noisy_copies(delta, batch.x, eta);
    BatchStatistics<Tensor<T>> statistics;
    const auto g = value_and_grad(
        [&](const auto& lifted) {
          statistics.clear();
          const auto all = by_copies(
              o.batch_statistics ? training_scores(lifted, inputs, statistics) : deployed_scores(lifted, inputs),
              m + with_clean);
          if (!with_clean) return how.loss(all, decltype(all){}, batch.labels, state.epoch);
          return how.loss(slice(all, 0, 1, m + 1), squeeze(slice(all, 0, 0, 1), 0), batch.labels, state.epoch);
        },
        model, [](const Path& at) { return is_trained(at); });
    Sgd(o.sgd).step(state.sgd, model, g.grad, schedule(state.epoch * steps + b));
    if constexpr (requires { model.update_running_(statistics); }) {
      if (o.batch_statistics) model.update_running_(statistics);
    }
  }
  ++state.epoch;
}

/// All epochs, from the first.
template <class M, Real T>
void train_smoothed_(M& model, const Samples<T>& s, const TrainOptions& o, const SmoothedTraining& how) {
  TrainState<M> state;
  while (state.epoch < o.epochs) train_smoothed_epoch_(model, state, s, o, how);
}

}  // namespace tenzo::smoothing
