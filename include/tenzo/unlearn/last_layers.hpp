// Methods that change the last layers alone.
//   Source  Goel et al. 2022, "Towards adversarial evaluations for inexact machine unlearning": EU-k and CF-k.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "tenzo/unlearn/request.hpp"

namespace tenzo::unlearn {

/// Leaves by name.
struct LeafSet {
  std::set<std::string> names;

  bool operator()(const Path& at) const { return names.contains(at.str()); }
};

/// The leaves of the last k weight layers: all from the k-th last leaf of two or more axes on, in the tree's order; so
/// norms and statistics behind it, too.
///   Throws  ValueError unless the model has k such layers.
template <Tree M>
LeafSet last_layers(const M& model, std::int64_t k) {
  std::int64_t weights = 0;
  for_each_leaf([&](const Path&, const auto& leaf) { weights += leaf.shape().rank() >= 2; }, model);
  require(k >= 1 && k <= weights, "unlearn: the last ", k, " of ", weights, " weight layers");
  LeafSet set;
  std::int64_t met = 0;
  for_each_leaf(
      [&](const Path& at, const auto& leaf) {
        met += leaf.shape().rank() >= 2;
        if (met > weights - k) set.names.insert(at.str());
      },
      model);
  return set;
}

namespace detail {

/// Leaves of `set` become those of `from`.
template <Tree M>
void take_leaves_(M& model, const M& from, const LeafSet& set, bool inside = true) {
  for_each_leaf(
      [&](const Path& at, auto& to, const auto& leaf) {
        if (set(at) == inside) to = leaf.clone();
      },
      model, from);
}

/// Trains these leaves on the retain set, epoch by epoch; `begin(epoch)` may change the model first, and says whether
/// the optimizer begins anew.
///   Frozen layers keep their bits, running statistics included. Without batch norms among the trained layers all norms
///   work as in deployment; with some they take the batch's statistics, as those that begin anew have no others.
template <Tree M, Real T, class Begin>
void train_leaves_(M& m, const Request<M, T>& r, TrainOptions o, const LeafSet& set, Begin&& begin) {
  bool norms = false;
  for_each_leaf([&](const Path& at, const auto&) { norms = norms || (set(at) && is_running_statistic(at)); }, m);
  o = with_seed(o, r.seed);
  o.batch_statistics = o.batch_statistics && norms;
  const Samples<T> retain = r.retain_samples();
  TrainState<M> state;
  while (state.epoch < o.epochs) {
    if (begin(state.epoch)) state.sgd = {};
    train_epoch_(m, state, retain, o, CrossEntropyLoss{}, NoHook{}, set);
  }
  take_leaves_(m, r.model, set, false);
}

}  // namespace detail

/// EU-k: the last k weight layers begin anew and are trained alone.
struct ExactLast {
  static constexpr std::string_view name = "eu-k";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);
  std::int64_t k = 1;
  /// As the official code does: new layers and a new optimizer at every epoch, so that the last epoch alone counts.
  bool anew_every_epoch = false;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    const LeafSet last = last_layers(r.model, k);
    M m = clone(r.model);
    detail::take_leaves_(m, r.untrained(), last);
    detail::train_leaves_(m, r, train, last, [&](std::int64_t epoch) {
      if (!anew_every_epoch || epoch == 0) return false;
      const std::uint64_t seed = r.seed + std::uint64_t(epoch);
      detail::take_leaves_(m, r.untrained(seed), last);
      return true;
    });
    return m;
  }
};

/// CF-k: the last k weight layers are trained further, alone.
struct ForgetLast {
  static constexpr std::string_view name = "cf-k";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);
  std::int64_t k = 1;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.model);
    detail::train_leaves_(m, r, train, last_layers(r.model, k), [](std::int64_t) { return false; });
    return m;
  }
};

}  // namespace tenzo::unlearn
