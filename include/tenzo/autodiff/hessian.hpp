// The Hessian of a loss at one point, for many products: what iterative solvers of linear equations ask for.
#pragma once

#include <utility>

#include "tenzo/autodiff/grad.hpp"

namespace tenzo {

/// H = ∇² loss(x) as a linear operator. The gradient is computed once, on a tape; H being symmetric, a product is one
/// pass back over that tape, where `hvp` computes loss, derivative and gradient anew.
///   loss     as for `grad`, differentiable twice
///   x        its elements are shared: they must not change while the operator is in use
///   Cost     a product is about half an `hvp`.
///   Memory   all that the second derivatives' rules read, as long as the operator lives; `hvp` frees it on the way.
///   Source   Pearlmutter 1994; the recording is that of a linearised function.
template <Tree T>
class Hessian {
  using V = leaf_t<T>;

 public:
  template <class F>
  Hessian(F&& loss, const T& x) : at_(detail::recorded(tape_, x)), gradient_(grad(std::forward<F>(loss), at_)) {}
  Hessian(const Hessian&) = delete;
  Hessian& operator=(const Hessian&) = delete;

  /// ∇ loss(x).
  T gradient() const {
    T g = map_tree<V>(gradient_, [](const Var<V>& v) { return v.value; });
    own_leaves_(g);
    return g;
  }

  /// H u; an undefined leaf of u is zero.
  T operator()(const T& u) const {
    typename Tape<V>::Cotangents ct = tape_.cotangents();
    for_each_leaf(
        [&](const Path& at, const Var<V>& g, const V& d) {
          if (!d.defined()) return;
          expect(g.shape() == d.shape(), "Hessian: ", at.str(), " is ", g.shape(), ", the direction's ", d.shape());
          if (g.tape) ct.add(g.id, d);
        },
        gradient_, u);
    tape_.pull_back(ct);
    return detail::gathered<T, V>(ct, at_);
  }

 private:
  Tape<V> tape_;
  decltype(detail::recorded(std::declval<Tape<V>&>(), std::declval<const T&>())) at_, gradient_;
};

}  // namespace tenzo
