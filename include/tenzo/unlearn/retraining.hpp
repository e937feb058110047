// Methods that train on the retain set alone: from the beginning, further, and further with a penalty.
#pragma once

#include <cstdint>
#include <string_view>

#include "tenzo/unlearn/request.hpp"

namespace tenzo::unlearn {

/// Exact unlearning: the model that the retain set alone would have given. `train` is the recipe of the original.
struct Retrain {
  static constexpr std::string_view name = "retrain";
  static constexpr bool relabels = false;
  TrainOptions train = {};

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.untrained());
    train_(m, r.retain_samples(), detail::with_seed(train, r.seed));
    return m;
  }
};

/// FT: goes on from θ_o on the retain set.
struct FineTune {
  static constexpr std::string_view name = "ft";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.model);
    train_(m, r.retain_samples(), detail::with_seed(train, r.seed));
    return m;
  }
};

/// ℓ1-sparse: FT on CE + α_e ‖θ‖₁ with α_e = α (1 − e/E) in epoch e of E.
///   Source  Jia et al. 2023, "Model sparsity can simplify machine unlearning".
struct L1Sparse {
  static constexpr std::string_view name = "l1-sparse";
  static constexpr bool relabels = false;
  TrainOptions train = tuning(0.02);
  double alpha = 1e-3;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    using V = leaf_t<M>;
    M m = clone(r.model);
    const TrainOptions o = detail::with_seed(train, r.seed);
    const Samples<T> retain = r.retain_samples();
    TrainState<M> state;
    while (state.epoch < o.epochs) {
      const double a = alpha * (1 - double(state.epoch) / double(o.epochs));
      train_epoch_(m, state, retain, o, CrossEntropyLoss{}, [&](M& g) {
        axpy_(a,
              map_tree<V>(
                  g, [](const V&, const V& theta) { return sign(theta); }, m),
              g);
      });
    }
    return m;
  }
};

}  // namespace tenzo::unlearn
