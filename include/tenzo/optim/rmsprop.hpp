// RMSprop: steps divided by the root of a running mean of squares.
#pragma once

#include <cmath>
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
    using T = scalar_t<V>;
    const T rate = T(lr * lr_factor), keep = T(alpha), enter = T(1 - alpha), small = T(eps);
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& square, V& mean) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          if constexpr (HostDevice<device_t<V>>) {
            T *const w = theta.data(), *const v = detail::ensure_zeros(square, theta).data();
            T* const a = centered ? detail::ensure_zeros(mean, theta).data() : nullptr;
            const T* const d = g.data();
            if (a) {
#pragma omp simd
              for (std::int64_t i = 0; i < theta.size(); ++i) {
                v[i] = keep * v[i] + enter * d[i] * d[i];
                a[i] = keep * a[i] + enter * d[i];
                const T spread = v[i] - a[i] * a[i];  // below zero by rounding only
                w[i] -= rate * d[i] / (std::sqrt(spread > 0 ? spread : T(0)) + small);
              }
            } else {
#pragma omp simd
              for (std::int64_t i = 0; i < theta.size(); ++i) {
                v[i] = keep * v[i] + enter * d[i] * d[i];
                w[i] -= rate * d[i] / (std::sqrt(v[i]) + small);
              }
            }
          } else {
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
            axpy_(-double(rate), div(g, add(sqrt(spread), V::scalar(small))), theta);
          }
        },
        model, gradient, s.square, s.mean);
    ++s.step;
  }
};

}  // namespace tenzo
