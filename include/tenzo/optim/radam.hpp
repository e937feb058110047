// Rectified Adam: no division by a mean of squares before there are enough of them.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/optim/optimizers.hpp"

namespace tenzo {

/// Adam with the variance of its step rectified: with ρ∞ = 2/(1 − β₂) − 1 and ρ = ρ∞ − 2 t β₂ᵗ/(1 − β₂ᵗ),
///   θ ← θ − lr r m̂ / (√v̂ + ε'),  r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))   where ρ > 5,
///   θ ← θ − lr m̂                                                                    before.
///   ε is added to √v before the bias is taken out, as common libraries do. On the CPU.
///   Source  Liu et al. 2020, algorithm 2.
struct RAdam {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <Tree Model>
  struct State {
    std::int64_t step = 0;
    Model first, second;
  };

  template <Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using V = leaf_t<Model>;
    using T = scalar_t<V>;
    static_assert(HostDevice<device_t<V>>, "rectified Adam is for the CPU");
    ++s.step;
    const double t = double(s.step), b1 = 1 - std::pow(beta1, t), b2 = 1 - std::pow(beta2, t);
    const double most = 2 / (1 - beta2) - 1, rho = most - 2 * t * std::pow(beta2, t) / b2;
    const bool rectified = rho > 5;
    const double r =
        rectified ? std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * std::sqrt(b2) : 1;
    const T rate = T(lr * lr_factor * r / b1), small = T(eps), keep1 = T(beta1), add1 = T(1 - beta1), keep2 = T(beta2),
            add2 = T(1 - beta2);
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& first, V& second) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          T *const w = theta.data(), *const m = detail::ensure_zeros(first, theta).data();
          T* const v = detail::ensure_zeros(second, theta).data();
          const T* const d = g.data();
#pragma omp simd
          for (std::int64_t i = 0; i < theta.size(); ++i) {
            m[i] = keep1 * m[i] + add1 * d[i];
            v[i] = keep2 * v[i] + add2 * d[i] * d[i];
            w[i] -= rate * m[i] / (rectified ? std::sqrt(v[i]) + small : T(1));
          }
        },
        model, gradient, s.first, s.second);
  }
};

}  // namespace tenzo
