// Values: what a layer may be computed with. A plain tensor, or a level around another value (a dual number, a recorded
// variable, the sides of a probe); levels nest.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// What a value type is made of; specialised by each kind of value.
///   static constexpr int depth       0 for a tensor, one more for each level around it
///   using scalar, plain              element type and tensor at the core
///   static const plain& core(v)      that tensor
///   static V lift(const U& u)        a constant of this type from a value that is less deep
///   static array<V, K> apply(p, x)   the primitive p of the inputs x
template <class V>
struct Level;

/// Anything that primitives can be applied to.
template <class V>
concept Value = requires {
  Level<V>::depth;
};

/// A tensor: computes and keeps nothing.
template <class V>
concept Plain = Value<V> && Level<V>::depth == 0;

/// N values of one type: the inputs or outputs of a primitive. An undefined value among them stands for zero.
template <class V, std::size_t N>
using Values = std::array<V, N>;

template <Value V>
using scalar_t = typename Level<V>::scalar;

template <Value V>
using plain_t = typename Level<V>::plain;

/// Where the tensor at the core lies.
template <Value V>
using device_t = typename plain_t<V>::device;

/// The tensor at the core of a value.
template <Value V>
const plain_t<V>& plain(const V& v) {
  return Level<V>::core(v);
}

template <class T, class D>
struct Level<Tensor<T, D>> {
  static constexpr int depth = 0;
  using scalar = T;
  using plain = Tensor<T, D>;
  static const plain& core(const plain& v) { return v; }

  template <class P, std::size_t N>
  static auto apply(const P& p, const Values<plain, N>& x) {
    return p.eval(x);
  }
  /// p(x, y), written over x where nobody else holds it.
  template <class P>
  static plain apply_over(const P& p, plain x, const plain& y) {
    if (!x.unique()) return p.eval(Values<plain, 2>{x, y})[0];
    p.eval_over_(x, y);
    return x;
  }
};

namespace detail {

template <class A, class B>
struct Promoted {
  static constexpr bool one_device = std::is_same_v<device_t<A>, device_t<B>>;
  static_assert(one_device,
                "tenzo: values on two devices do not mix (a tensor of the host and one on a GPU); "
                "move one of them: x.to<tenzo::Cuda>() or x.to<tenzo::Cpu>()");
  static_assert(!one_device || std::is_same_v<A, B> || Level<A>::depth != Level<B>::depth,
                "tenzo: two different values of equal depth do not mix (a Var and a Dual, or two element types); "
                "lift one of them, or nest the derivatives");
  using type = std::conditional_t<(Level<A>::depth >= Level<B>::depth), A, B>;
};

}  // namespace detail

/// The deeper of two value types: data may be less deep than the parameters that it meets.
template <Value A, Value B>
using promote_t = typename detail::Promoted<A, B>::type;

/// `v` as a constant of the deeper type W; `v` itself where the types agree.
template <Value W, Value V>
decltype(auto) lift(const V& v) {
  if constexpr (std::is_same_v<W, V>) return (v);
  else return v.defined() ? Level<W>::lift(v) : W{};
}

/// A primitive that is a composition of others, kept in one piece for its speed: its rules need hold for tensors only,
/// because deeper values go through `compose`, and so do dual numbers where it has no `jvp`.
///   `compose` returns all outputs; those that only its own rules read may be left undefined.
template <class P, class V, std::size_t N>
concept Composite = requires(const P& p, const Values<V, N>& x) {
  p.compose(x);
};

/// Applies a primitive.
///   A primitive P has `inputs`, `outputs`, `name`, and
///     eval(x)               on tensors, one overload a device
///     jvp(x, dx, y)         tangents of the outputs (undefined: zero)
///     vjp(x, y, gy, need)   cotangents of the inputs for which need[i]; undefined gy are zero
///   the rules written with public operations on any V; or on tensors only, beside a `compose(x)`.
template <class P, Value V>
Values<V, P::outputs> dispatch(const P& p, const Values<V, P::inputs>& x) {
  return Level<V>::apply(p, x);
}

/// A primitive of one output applied to inputs of mixed depth.
template <class P, Value... A>
auto dispatch_one(const P& p, const A&... x);

namespace detail {

template <class... A>
struct PromotedAll;
template <class A>
struct PromotedAll<A> {
  using type = A;
};
template <class A, class B, class... C>
struct PromotedAll<A, B, C...> {
  using type = typename PromotedAll<promote_t<A, B>, C...>::type;
};

}  // namespace detail

template <class P, Value... A>
auto dispatch_one(const P& p, const A&... x) {
  using V = typename detail::PromotedAll<A...>::type;
  return dispatch<P, V>(p, Values<V, P::inputs>{lift<V>(x)...})[0];
}

}  // namespace tenzo
