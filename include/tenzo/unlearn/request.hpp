// What a method of unlearning is given: a model trained on all samples, and which of them it has to forget.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "tenzo/nn/init.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::unlearn {

/// θ_o, trained on D, and D_f and D_r, parts of D by number. Model and samples have to outlive the request.
///   A method is a struct of options with `M operator()(const Request<M, T>&) const`, the model after unlearning; with
///   `name`, what it is called by; and with `relabels`, whether it trains the forget set to labels that are not its
///   own.
template <Tree M, Real T>
struct Request {
  const M& model;
  const Samples<T>& samples;
  Rows forget, retain;
  std::uint64_t seed = 1;                      // of everything that is random
  std::function<M(std::uint64_t)> fresh = {};  // the model before training; empty: as layers usually begin
  const Samples<T>* held_out = nullptr;        // samples that the model has not seen, for methods that want some

  Samples<T> forget_samples() const { return samples.at(forget); }
  Samples<T> retain_samples() const { return samples.at(retain); }
  M untrained() const { return untrained(seed); }
  M untrained(std::uint64_t other_seed) const {
    return fresh ? fresh(other_seed) : to_device<device_t<leaf_t<M>>>(initialised<T>(model, other_seed));
  }
};

/// Throws ValueError unless both sets have samples, all numbers are in range, and none is in both or twice in one.
template <Tree M, Real T>
void check(const Request<M, T>& r) {
  require(!r.forget.empty() && !r.retain.empty(), "unlearn: ", r.forget.size(), " samples to forget, ", r.retain.size(),
          " to retain; want some of each");
  std::vector<bool> seen(std::size_t(r.samples.size()), false);
  for (const Rows* rows : {&r.forget, &r.retain})
    for (const std::int64_t i : *rows) {
      require(i >= 0 && i < r.samples.size(), "unlearn: sample ", i, " of ", r.samples.size());
      require(!seen[std::size_t(i)], "unlearn: sample ", i, " is named twice");
      seen[std::size_t(i)] = true;
    }
}

/// How an approximate method trains where nothing else is said: 10 epochs of equal steps. The step size is to be
/// searched, by the smallest gap to retraining on a random forget set.
inline TrainOptions tuning(double lr) {
  return {.epochs = 10,
          .batch = 64,
          .sgd = {.lr = lr, .momentum = 0.9, .weight_decay = 5e-4},
          .schedule = Schedule::Kind::constant};
}

namespace detail {

inline TrainOptions with_seed(TrainOptions o, std::uint64_t seed) {
  o.seed = seed;
  return o;
}

}  // namespace detail

}  // namespace tenzo::unlearn
