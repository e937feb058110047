// RMSprop: steps divided by the root of a running mean of squares.
#pragma once

#include <cstdint>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo {

/// v ← α v + (1 − α) g²;  θ ← θ − lr g / (√v + ε);  with `centered`, a ← α a + (1 − α) g and √(v − a²) in place of √v.
///   Source  Tieleman, Hinton 2012; centred: Graves 2013, as Mnih et al. 2015 use it.
struct RmsProp {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8;
  bool centered = false;

  template <Tree Model>
  struct State {
    std::int64_t step = 0;
    Model square, mean;
  };

  template <Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using V = leaf_t<Model>;
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& square, V& mean) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          const auto follow = [&](V& average, const V& x) {
            scale_(detail::ensure_zeros(average, theta), alpha);
            axpy_(1 - alpha, x, average);
          };
          follow(square, tenzo::square(g));
          V spread = square;
          if (centered) {
            follow(mean, g);
            spread = relu(sub(square, tenzo::square(mean)));  // below zero by rounding only
          }
          axpy_(-lr * lr_factor, div(g, add(sqrt(spread), V::scalar(scalar_t<V>(eps)))), theta);
        },
        model, gradient, s.square, s.mean);
    ++s.step;
  }
};

}  // namespace tenzo
