// First-order optimizers on trees of tensors. An optimizer is its options; what a run has to remember is a state that
// can be saved. Leaves that are undefined in the gradient stay as they are.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace detail {

template <class T>
void expect_same_shape(const Path& at, const Tensor<T>& parameter, const Tensor<T>& g) {
  expect(parameter.shape() == g.shape(), "optimizer: ", at.str(), " is ", parameter.shape(), ", its gradient ",
         g.shape());
}

/// A buffer of zeros like the leaf, made when it is first needed.
template <class T>
Tensor<T>& ensure_zeros(Tensor<T>& buffer, const Tensor<T>& like) {
  if (!buffer.defined()) buffer = Tensor<T>::zeros(like.shape());
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
    const T rate = T(lr * lr_factor), mu = T(momentum), decay = T(weight_decay);
    const bool ahead = nesterov;
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& m) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          T* w = theta.data();
          const T* pg = g.data();
          if (mu == T(0)) {
            cpu::map(
                theta.size(), w, [=](T x, T d) { return x - rate * (d + decay * x); }, theta.data(), pg);
            return;
          }
          T* pm = detail::ensure_zeros(m, theta).data();
          parallel_for(theta.size(), cpu::element_grain, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
            for (std::int64_t i = begin; i < end; ++i) {
              const T d = pg[i] + decay * w[i];
              pm[i] = mu * pm[i] + d;
              w[i] -= rate * (ahead ? d + mu * pm[i] : pm[i]);
            }
          });
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
          cpu::map(
              theta.size(), theta.data(), [=](T x, T d) { return x - rate * (T(d > T(0)) - T(d < T(0)) + decay * x); },
              theta.data(), g.data());
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
    const double rate = lr * lr_factor;
    using L = Simd<T>;
    const L b1{T(beta1)}, b2{T(beta2)}, c1{T(1 - beta1)}, c2{T(1 - beta2)}, decay{T(rate * weight_decay)};
    const L scale1{T(rate / (1 - std::pow(beta1, double(s.step))))}, tiny{T(eps)};
    const L scale2{T(1 / std::sqrt(1 - std::pow(beta2, double(s.step))))};
    for_each_leaf(
        [&](const Path& at, V& theta, const V& g, V& first, V& second, V& largest) {
          if (!g.defined()) return;
          detail::expect_same_shape(at, theta, g);
          T *w = theta.data(), *m = detail::ensure_zeros(first, theta).data(),
            *v = detail::ensure_zeros(second, theta).data();
          T* top = amsgrad ? detail::ensure_zeros(largest, theta).data() : nullptr;
          const T* d = g.data();
          parallel_for(theta.size(), cpu::element_grain, [=](std::int64_t begin, std::int64_t end) {
            cpu::for_lanes<T>(end - begin, [=](std::int64_t offset, std::int64_t n) {
              const std::int64_t i = begin + offset;
              const L slope = cpu::load_lanes(d + i, n), x = cpu::load_lanes(w + i, n);
              const L mean = b1 * cpu::load_lanes(m + i, n) + c1 * slope;
              L square = b2 * cpu::load_lanes(v + i, n) + c2 * slope * slope;
              cpu::store_lanes(mean, m + i, n);
              cpu::store_lanes(square, v + i, n);
              if (top) {
                square = max(cpu::load_lanes(top + i, n), square);
                cpu::store_lanes(square, top + i, n);
              }
              cpu::store_lanes(x - (scale1 * mean / (sqrt(square) * scale2 + tiny) + decay * x), w + i, n);
            });
          });
        },
        model, gradient, s.first, s.second, s.largest);
  }
};

/// Scales the gradient in place so that its Euclidean norm is at most `limit`; returns the norm that it had.
template <Tree Model>
double clip_norm_(Model& gradient, double limit) {
  using V = leaf_t<Model>;
  using T = scalar_t<V>;
  double squares = 0;  // in double: a square of a float may be none
  for_each_leaf(
      [&](const Path&, const V& g) {
        if (!g.defined()) return;
        for (std::int64_t i = 0; i < g.size(); i += 4096) {  // fixed runs: the sum does not depend on threads
          double part[16] = {};
          const std::int64_t end = std::min(g.size(), i + 4096);
          for (std::int64_t j = i; j < end; ++j) part[(j - i) % 16] += double(g(j)) * double(g(j));
          for (const double p : part) squares += p;
        }
      },
      gradient);
  const double norm = std::sqrt(squares);
  if (norm > limit) {
    const T s = T(limit / norm);
    for_each_leaf(
        [&](const Path&, V& g) {
          if (g.defined())
            cpu::map(
                g.size(), g.data(), [s](T x) { return s * x; }, std::as_const(g).data());
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
        const T c = T(limit);
        if (g.defined())
          cpu::map(
              g.size(), g.data(), [c](T x) { return x < -c ? -c : (x > c ? c : x); }, std::as_const(g).data());
      },
      gradient);
}

}  // namespace tenzo
