// Vector-space operations on trees: what a solver needs of a model or a gradient. Sums run in a fixed order.
#pragma once

#include <cmath>

#include "tenzo/ops/cpu/update.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// Σ a b over all leaves of tensors, as a number; undefined leaves are zero.
template <Tree A, Tree B>
double inner(const A& a, const B& b) {
  double total = 0;
  for_each_leaf(
      [&](const Path& at, const auto& x, const auto& y) {
        if (!x.defined() || !y.defined()) return;
        expect(x.shape() == y.shape(), "inner product: ", at.str(), " is ", x.shape(), " and ", y.shape());
        total += dot_elements(device_t<leaf_t<A>>{}, x.size(), x.data(), y.data());
      },
      a, b);
  return total;
}

/// Σ a b over all leaves, of rank 0; undefined leaves are zero. Where a leaf is recorded, so is the result.
template <Tree A, Tree B>
auto dot(const A& a, const B& b) {
  using V = promote_t<leaf_t<A>, leaf_t<B>>;
  if constexpr (Plain<V>) {
    return V::scalar(scalar_t<V>(inner(a, b)));
  } else {
    V total;
    for_each_leaf(
        [&](const Path& at, const auto& x, const auto& y) {
          if (!x.defined() || !y.defined()) return;
          expect(x.shape() == y.shape(), "dot: ", at.str(), " is ", x.shape(), " and ", y.shape());
          total = plus(total, lift<V>(sum(mul(x, y))));
        },
        a, b);
    return total.defined() ? total : lift<V>(plain_t<V>::scalar(0));
  }
}

/// Euclidean norm of all leaves together.
template <Tree A>
double norm(const A& a) {
  double total = 0;
  for_each_leaf(
      [&](const Path&, const auto& x) {
        if (x.defined()) total += dot_elements(device_t<leaf_t<A>>{}, x.size(), x.data(), x.data());
      },
      a);
  return std::sqrt(total);
}

/// y += s · x in place; undefined leaves of x are zero.
template <Tree X, Tree Y>
void axpy_(double s, const X& x, Y& y) {
  for_each_leaf(
      [s](const Path& at, auto& to, const auto& from) {
        if (!from.defined()) return;
        expect(to.shape() == from.shape(), "axpy_: ", at.str(), " is ", to.shape(), " and ", from.shape());
        using V = std::remove_reference_t<decltype(to)>;
        using T = typename V::value_type;
        map(typename V::device{}, to.size(), to.data(), fn::AddScaled<T>{T(s)}, std::as_const(to).data(), from.data());
      },
      y, x);
}

/// x *= s in place.
template <Tree X>
void scale_(X& x, double s) {
  for_each_leaf(
      [s](const Path&, auto& v) {
        if (!v.defined()) return;
        using V = std::remove_reference_t<decltype(v)>;
        using T = typename V::value_type;
        map(typename V::device{}, v.size(), v.data(), fn::ScaleBy<T>{T(s)}, std::as_const(v).data());
      },
      x);
}

/// A tree of zeros shaped like x; undefined leaves stay undefined.
template <Tree X>
X zeros_like(const X& x) {
  using V = leaf_t<X>;
  return map_tree<V>(x, [](const V& v) { return lift<V>(plain_t<V>::zeros(v.shape())); });
}

/// Whether anything in x is defined.
template <Tree X>
bool has_leaves(const X& x) {
  bool any = false;
  for_each_leaf([&](const Path&, const auto&) { any = true; }, x);
  return any;
}

/// x with leaves of their own memory.
template <Tree X>
X clone(const X& x) {
  return map_tree<leaf_t<X>>(x, [](const auto& v) { return v.clone(); });
}

/// x with its leaves on another device; x itself, leaves shared, where that is this one.
template <class Device, Tree X>
auto to_device(const X& x) {
  return map_tree<Tensor<scalar_t<leaf_t<X>>, Device>>(x, [](const auto& v) { return v.template to<Device>(); });
}

/// Gives elements of their own to leaves that share them with each other or with the caller: a gradient may be changed
/// in place.
template <class T>
void own_leaves_(T& tree) {
  for_each_leaf(
      [](const Path&, auto& v) {
        if constexpr (Plain<std::remove_reference_t<decltype(v)>>) {
          if (v.defined() && !v.unique()) v = v.clone();
        }
      },
      tree);
}

}  // namespace tenzo
