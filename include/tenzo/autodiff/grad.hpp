// Derivatives of functions of trees: gradients, Jacobian and Hessian products.
#pragma once

#include <concepts>
#include <utility>

#include "tenzo/autodiff/dual.hpp"
#include "tenzo/autodiff/var.hpp"
#include "tenzo/tree/algebra.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// A value and a tree of derivatives.
template <class V, class T>
struct ValueAnd {
  V value;
  T grad;
};

namespace detail {

/// A function that is differentiated is called with a lifted model, so it has to take more than tensors.
template <class F, class Lifted>
constexpr void expect_generic() {
  static_assert(
      std::invocable<F&, Lifted&>,
      "a function to differentiate takes the model on any value type: write it as [&](const auto& m) { ... }");
}

template <class V>
V constant_like(const V& like, double c) {
  return lift<V>(plain_t<V>::full(like.shape(), scalar_t<V>(c)));
}

template <Tree T, class V>
auto recorded(Tape<V>& tape, const T& x) {
  return map_tree<Var<V>>(x, [&](const V& v) { return tape.leaf(v); });
}

/// The cotangents of the leaves, zero where nothing arrived; undefined for constants.
template <class T, class V, class Lifted>
T gathered(typename Tape<V>::Cotangents& g, const Lifted& lifted) {
  T out = map_tree<V>(lifted, [&](const Var<V>& v) {
    if (!v.tape) return V{};
    V got = g.take(v.id);
    return got.defined() ? got : constant_like(v.value, 0);
  });
  own_leaves_(out);
  return out;
}

}  // namespace detail

/// f(x) and its vector-Jacobian product: the tree Σ ct · ∂f/∂x for a cotangent of f's shape.
///   f takes the tree with recorded leaves and returns one recorded value.
template <class F, Tree T, class V = leaf_t<T>>
ValueAnd<V, T> vjp(F&& f, const T& x, const V& cotangent) {
  Tape<V> tape;
  const auto lifted = detail::recorded(tape, x);
  detail::expect_generic<F, decltype(lifted)>();
  const Var<V> y = f(lifted);
  expect(y.shape() == cotangent.shape(), "vjp: the cotangent is ", cotangent.shape(), ", the result ", y.shape());
  auto g = tape.backward(y, cotangent);
  return {y.value, detail::gathered<T, V>(g, lifted)};
}

/// A scalar loss and its gradient, shaped like the model.
///   Memory: what the rules of the primitives on the way read, freed while the gradient is formed.
template <class F, Tree T, class V = leaf_t<T>>
ValueAnd<V, T> value_and_grad(F&& loss, const T& x) {
  Tape<V> tape;
  const auto lifted = detail::recorded(tape, x);
  detail::expect_generic<F, decltype(lifted)>();
  const Var<V> y = loss(lifted);
  expect(y.defined() && y.shape().numel() == 1, "grad: the loss is not a single number");
  auto g = tape.backward(y, detail::constant_like(y.value, 1));
  return {y.value, detail::gathered<T, V>(g, lifted)};
}

/// The same for a part of the model: the leaves that `trained(path)` names, asked once each in the tree's order. The
/// others are constants, their gradients undefined, and nothing is kept for them.
template <class F, Tree T, class Trained, class V = leaf_t<T>>
ValueAnd<V, T> value_and_grad(F&& loss, const T& x, Trained&& trained) {
  Tape<V> tape;
  const auto lifted =
      map_tree<Var<V>>(x, [&](const Path& at, const V& v) { return trained(at) ? tape.leaf(v) : Var<V>{v}; });
  detail::expect_generic<F, decltype(lifted)>();
  const Var<V> y = loss(lifted);
  expect(y.defined() && y.shape().numel() == 1, "grad: the loss is not a single number");
  auto g = tape.backward(y, detail::constant_like(y.value, 1));
  return {y.value, detail::gathered<T, V>(g, lifted)};
}

/// The gradient alone.
template <class F, Tree T>
T grad(F&& loss, const T& x) {
  return value_and_grad(std::forward<F>(loss), x).grad;
}

/// f(x) and its Jacobian-vector product along the tree dx; an undefined leaf of dx is zero.
template <class F, Tree T, class V = leaf_t<T>>
std::pair<V, V> jvp(F&& f, const T& x, const T& dx) {
  const auto lifted = map_tree<Dual<V>>(
      x,
      [](const V& v, const V& dv) {
        return Dual<V>{v, dv};
      },
      dx);
  detail::expect_generic<F, decltype(lifted)>();
  Dual<V> y = f(lifted);
  if (!y.tangent.defined()) y.tangent = detail::constant_like(y.value, 0);
  return {y.value, y.tangent};
}

/// Gradient and Hessian-vector product of a scalar loss along d: forward over reverse.
template <class T>
struct GradAndHvp {
  T grad, hvp;
};
template <class F, Tree T, class V = leaf_t<T>>
GradAndHvp<T> grad_and_hvp(F&& loss, const T& x, const T& d) {
  const auto lifted = map_tree<Dual<V>>(
      x,
      [](const V& v, const V& dv) {
        return Dual<V>{v, dv};
      },
      d);
  GradAndHvp<T> out;
  {
    const auto g = grad(std::forward<F>(loss), lifted);
    out.grad = map_tree<V>(g, [](const Dual<V>& v) { return v.value; });
    out.hvp = map_tree<V>(
        g, [](const Dual<V>& v) { return v.tangent.defined() ? v.tangent : detail::constant_like(v.value, 0); });
  }
  own_leaves_(out.grad);
  own_leaves_(out.hvp);
  return out;
}
/// The Hessian-vector product alone: reverse over forward, the gradient of the loss' derivative along d. It forms no
/// gradient by the way, which spares the first layer of a network a product of matrices.
template <class F, Tree T, class V = leaf_t<T>>
T hvp(F&& loss, const T& x, const T& d) {
  Tape<V> tape;
  const auto lifted = detail::recorded(tape, x);
  const auto along = map_tree<Var<V>>(d, [](const V& v) { return Var<V>{v}; });
  const Var<V> slope = jvp(std::forward<F>(loss), lifted, along).second;
  expect(slope.shape().numel() == 1, "hvp: the loss is not a single number");
  auto g = tape.backward(slope, detail::constant_like(slope.value, 1));
  return detail::gathered<T, V>(g, lifted);
}

/// ∇_x ⟨∇_y g(x, y), u⟩ of a scalar g: the mixed second derivatives times u. Reverse over forward.
template <class G, Tree X, Tree Y, class V = leaf_t<X>>
X mixed_product(G&& g, const X& x, const Y& y, const Y& u) {
  using D = Dual<Var<V>>;
  Tape<V> tape;
  const auto xs = detail::recorded(tape, x);
  const auto ys = map_tree<D>(
      y,
      [](const V& v, const V& d) {
        return D{Var<V>{v}, Var<V>{d}};
      },
      u);
  const D r = lift<D>(g(xs, ys));
  const Var<V> slope = r.tangent.defined() ? r.tangent : Var<V>{detail::constant_like(plain(r.value), 0)};
  expect(slope.shape().numel() == 1, "mixed_product: the loss is not a single number");
  auto ct = tape.backward(slope, detail::constant_like(slope.value, 1));
  return detail::gathered<X, V>(ct, xs);
}

/// Gauss-Newton product Jᵀ H J d of loss(model(x)): J the Jacobian of the model, H the Hessian of the loss by its
/// output.
template <class Model, class Loss, Tree T, class V = leaf_t<T>>
T gauss_newton_product(Model&& model, Loss&& loss, const T& x, const T& d) {
  const auto [z, dz] = jvp(model, x, d);
  const V h = hvp(loss, z, dz);
  return vjp(model, x, h).grad;
}

}  // namespace tenzo
