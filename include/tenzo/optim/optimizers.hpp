// First-order optimizers on trees of tensors. An optimizer is its options; what a run has to remember is a state that
// can be saved. Leaves that are undefined in the gradient stay as they are.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/ops/cpu/update.hpp"
#include "tenzo/ops/functions.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace detail {

template <Plain V>
void expect_same_shape(const Path& at, const V& parameter, const V& g) {
  expect(parameter.shape() == g.shape(), "optimizer: ", at.str(), " is ", parameter.shape(), ", its gradient ",
         g.shape());
}

/// A buffer of zeros like the leaf, made when it is first needed.
template <Plain V>
V& ensure_zeros(V& buffer, const V& like) {
  if (!buffer.defined()) buffer = V::zeros(like.shape());
  return buffer;
}

}  // namespace detail

/// Stochastic gradient descent with weight decay and momentum:
///   g ← g + weight_decay θ;  m ← momentum m + g;  θ ← θ − lr (m, or g + momentum m with `nesterov`).
struct Sgd {
  double lr = 1e-2, momentum = 0, weight_decay = 0;
  bool nesterov = false;

  template <Tree Model>
  struct State {
    std::int64_t step = 0;
    Model momentum;
  };

  template <Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using V = leaf_t<Model>;
    using T = scalar_t<V>;
    const MomentumUpdate<T> update{T(lr * lr_factor), T(momentum), T(weight_decay), nesterov};
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& m) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          using D = device_t<V>;
          if (update.mu == T(0))
            map(D{}, theta.size(), theta.data(), fn::SgdStep<T>{update.rate, update.decay}, std::as_const(theta).data(),
                g.data());
          else
            momentum_update(D{}, theta.size(), update, g.data(), detail::ensure_zeros(m, theta).data(), theta.data());
        },
        model, gradient, s.momentum);
    ++s.step;
  }
};

/// θ ← θ − lr sign(g), element by element.
///   Source  Bernstein et al. 2018, signSGD.
struct SignSgd {
  double lr = 1e-4, weight_decay = 0;

  template <Tree Model>
  struct State {
    std::int64_t step = 0;
  };

  template <Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using V = leaf_t<Model>;
    using T = scalar_t<V>;
    const T rate = T(lr * lr_factor), decay = T(weight_decay);
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          map(device_t<V>{}, theta.size(), theta.data(), fn::SignStep<T>{rate, decay}, std::as_const(theta).data(),
              g.data());
        },
        model, gradient);
    ++s.step;
  }
};

/// Adam, or AdamW with decoupled weight decay:
///   m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  θ ← θ − lr (m̂ / (√v̂ + ε) + weight_decay θ), m̂ and v̂ without bias.
///   With `amsgrad`, v̂ is the largest v so far.
///   Source  Kingma, Ba 2015; Loshchilov, Hutter 2019; Reddi et al. 2018.
struct Adam {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool amsgrad = false;

  template <Tree Model>
  struct State {
    std::int64_t step = 0;
    Model first, second, largest;
  };

  template <Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using V = leaf_t<Model>;
    using T = scalar_t<V>;
    ++s.step;
    const double rate = lr * lr_factor, t = double(s.step);
    const AdamUpdate<T> update{T(beta1),
                               T(1 - beta1),
                               T(beta2),
                               T(1 - beta2),
                               T(rate / (1 - std::pow(beta1, t))),
                               T(1 / std::sqrt(1 - std::pow(beta2, t))),
                               T(eps),
                               T(rate * weight_decay)};
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& first, V& second, V& largest) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          adam_update(device_t<V>{}, theta.size(), update, g.data(), detail::ensure_zeros(first, theta).data(),
                      detail::ensure_zeros(second, theta).data(),
                      amsgrad ? detail::ensure_zeros(largest, theta).data() : nullptr, theta.data());
        },
        model, gradient, s.first, s.second, s.largest);
  }
};

/// Scales the gradient in place so that its Euclidean norm is at most `limit`; returns the norm that it had.
template <Tree Model>
double clip_norm_(Model& gradient, double limit) {
  using V = leaf_t<Model>;
  using T = scalar_t<V>;
  double squares = 0;
  for_each_leaf(
      [&](const Path&, const V& g) {
        if (g.defined()) squares += squares_of(device_t<V>{}, g.size(), g.data());
      },
      gradient);
  const double norm = std::sqrt(squares);
  if (norm > limit) {
    const T s = T(limit / norm);
    for_each_leaf(
        [&](const Path&, V& g) {
          if (g.defined()) map(device_t<V>{}, g.size(), g.data(), fn::ScaleBy<T>{s}, std::as_const(g).data());
        },
        gradient);
  }
  return norm;
}

/// Clips every element of the gradient to [−limit, limit] in place.
template <Tree Model>
void clip_value_(Model& gradient, double limit) {
  using V = leaf_t<Model>;
  using T = scalar_t<V>;
  for_each_leaf(
      [&](const Path&, V& g) {
        if (g.defined()) map(device_t<V>{}, g.size(), g.data(), fn::Clip<T>{T(limit)}, std::as_const(g).data());
      },
      gradient);
}

}  // namespace tenzo
