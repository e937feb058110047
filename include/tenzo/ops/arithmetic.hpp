// Addition and multiplication with broadcasting, and the pair of maps that broadcasting differentiates to.
#pragma once

#include <string_view>
#include <utility>

#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/functions.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo {

/// Copies x along the axes in which `out` is longer; its adjoint sums over them.
struct Expand {
  static constexpr std::string_view name = "expand";
  Shape in, out;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    map_broadcast(device, out, y, in, x, Shape{}, x, fn::First{});
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    if (out.numel() == 0) return fill(device, in.numel(), gx, T(0));
    // Runs of summed axes are summed one after another, the last first.
    Shape at = out;
    Tensor<T, D> held;
    const int lead = out.rank() - in.rank();
    const auto summed = [&](int i) { return at[i] > 1 && (i < lead || in[i - lead] == 1); };
    const T* from = gy;
    for (int end = out.rank(); end > 0;) {
      if (!summed(end - 1)) {
        --end;
        continue;
      }
      int begin = end - 1;
      while (begin > 0 && summed(begin - 1)) --begin;
      const std::int64_t inner = at.inner(end - 1), outer = at.outer(begin);
      std::int64_t n = 1;
      for (int i = begin; i < end; ++i) {
        n *= at[i];
        at = at.with(i, 1);
      }
      Tensor<T, D> next(Shape{outer, inner});
      sum_middle(device, outer, n, inner, from, next.data());
      held = std::move(next);
      from = held.data();
      end = begin;
    }
    copy_elements(device, in.numel(), from, gx);
  }
};

/// `x` copied to a larger shape, as broadcasting does.
template <Value V>
V expand_to(const V& x, const Shape& shape) {
  if (!x.defined() || x.shape() == shape) return x;
  expect(broadcast_shapes(x.shape(), shape) == shape, "expand_to: ", x.shape(), " does not broadcast to ", shape);
  return apply_linear(Expand{x.shape(), shape}, x);
}

/// `x` summed over the axes that broadcasting had stretched from `shape`.
template <Value V>
V sum_to(const V& x, const Shape& shape) {
  if (!x.defined() || x.shape() == shape) return x;
  expect(broadcast_shapes(x.shape(), shape) == x.shape(), "sum_to: ", x.shape(), " does not come from ", shape);
  return dispatch(AdjointMap<Expand>{{shape, x.shape()}}, Values<V, 1>{x})[0];
}

/// s · x for a number s.
struct Scale {
  static constexpr std::string_view name = "scale";
  Shape in, out;
  double factor = 1;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    map(device, in.numel(), y, fn::ScaleBy<T>{T(factor)}, x);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    apply(device, gy, gx);
  }
};

template <Value V>
V scale(const V& x, double s) {
  return x.defined() ? apply_linear(Scale{x.shape(), x.shape(), s}, x) : x;
}

/// x + c for a number c.
struct AddNumber {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "add_number";
  static constexpr bool reads_inputs[] = {false}, reads_outputs[] = {false};
  double c = 0;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> y(x[0].shape());
    map(D{}, y.size(), y.data(), fn::Shift<T>{T(c)}, x[0].data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>&, const Values<V, 1>& dx, const Values<V, 1>&) const {
    return dx;
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, 1>&, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return gy;
  }
};

namespace detail {

/// An element-wise function of two operands that broadcast.
template <class T, class D, class F>
Tensor<T, D> broadcast_map(const Shape& out, const Tensor<T, D>& a, const Tensor<T, D>& b, const F& f) {
  Tensor<T, D> y(out);
  map_broadcast(D{}, out, y.data(), a.shape(), a.data(), b.shape(), b.data(), f);
  return y;
}

}  // namespace detail

template <Value V>
V plus(const V& a, const V& b);
template <Value V>
V times(const V& a, const V& b);

/// a + sign · b.
struct Add {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "add";
  static constexpr bool reads_inputs[] = {false, false}, reads_outputs[] = {false};
  Shape a, b, out;
  int sign = 1;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    if (sign > 0) return {detail::broadcast_map(out, x[0], x[1], fn::Plus{})};
    return {detail::broadcast_map(out, x[0], x[1], fn::Minus{})};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>&, const Values<V, 2>& dx, const Values<V, 1>&) const {
    const V da = expand_to(dx[0], out), db = expand_to(dx[1], out);
    return {plus(da, sign > 0 ? db : scale(db, -1))};
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>&, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    if (need[0]) g[0] = sum_to(gy[0], a);
    if (need[1]) g[1] = sign > 0 ? sum_to(gy[0], b) : scale(sum_to(gy[0], b), -1);
    return g;
  }
};

/// a · b, element by element.
struct Mul {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "mul";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};
  Shape out;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    return {detail::broadcast_map(out, x[0], x[1], fn::Times{})};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>&) const {
    return {plus(expand_to(times(dx[0], x[1]), out), expand_to(times(x[0], dx[1]), out))};
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    if (need[0]) g[0] = sum_to(times(gy[0], x[1]), x[0].shape());
    if (need[1]) g[1] = sum_to(times(gy[0], x[0]), x[1].shape());
    return g;
  }
};

/// a / b, element by element.
struct Div {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "div";
  Shape out;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    return {detail::broadcast_map(out, x[0], x[1], fn::Over{})};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>& y) const;
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>& y, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const;
};

namespace detail {

template <Value A, Value B>
void expect_defined(std::string_view op, const A& a, const B& b) {
  expect(a.defined() && b.defined(), op, ": an undefined operand");
}

}  // namespace detail

/// Element-wise arithmetic; operands broadcast, and may differ in depth.
template <Value A, Value B>
auto add(const A& a, const B& b) {
  detail::expect_defined("add", a, b);
  return dispatch_one(Add{a.shape(), b.shape(), broadcast_shapes(a.shape(), b.shape()), 1}, a, b);
}
template <Value A, Value B>
auto sub(const A& a, const B& b) {
  detail::expect_defined("sub", a, b);
  return dispatch_one(Add{a.shape(), b.shape(), broadcast_shapes(a.shape(), b.shape()), -1}, a, b);
}
template <Value A, Value B>
auto mul(const A& a, const B& b) {
  detail::expect_defined("mul", a, b);
  return dispatch_one(Mul{broadcast_shapes(a.shape(), b.shape())}, a, b);
}
template <Value A, Value B>
auto div(const A& a, const B& b) {
  detail::expect_defined("div", a, b);
  return dispatch_one(Div{broadcast_shapes(a.shape(), b.shape())}, a, b);
}
template <Value V>
V add_number(const V& x, double c) {
  return dispatch(AddNumber{c}, Values<V, 1>{x})[0];
}
template <Value V>
V neg(const V& x) {
  return scale(x, -1);
}

/// a + b where an undefined value is zero: for the rules of primitives.
template <Value V>
V plus(const V& a, const V& b) {
  if (!a.defined()) return b;
  if (!b.defined()) return a;
  return add(a, b);
}
/// a · b where an undefined value is zero.
template <Value V>
V times(const V& a, const V& b) {
  return a.defined() && b.defined() ? mul(a, b) : V{};
}

template <class V>
Values<V, 1> Div::jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>& y) const {
  const V top = plus(expand_to(dx[0], out), scale(expand_to(times(y[0], dx[1]), out), -1));
  return {top.defined() ? div(top, x[1]) : top};
}
template <class V>
Values<V, 2> Div::vjp(const Values<V, 2>& x, const Values<V, 1>& y, const Values<V, 1>& gy,
                      const Values<bool, 2>& need) const {
  Values<V, 2> g;
  const V q = div(gy[0], x[1]);
  if (need[0]) g[0] = sum_to(q, x[0].shape());
  if (need[1]) g[1] = scale(sum_to(mul(q, y[0]), x[1].shape()), -1);
  return g;
}

/// to += g, in place where nobody else sees the elements of `to`.
template <Value V>
void add_to(V& to, const V& g) {
  if constexpr (Plain<V>) {
    if (to.unique() && to.shape() == g.shape()) {
      map(device_t<V>{}, to.size(), to.data(), fn::Plus{}, std::as_const(to).data(), g.data());
      return;
    }
  }
  to = plus(to, g);
}

template <Value A, Value B>
auto operator+(const A& a, const B& b) {
  return add(a, b);
}
template <Value A, Value B>
auto operator-(const A& a, const B& b) {
  return sub(a, b);
}
template <Value A, Value B>
auto operator*(const A& a, const B& b) {
  return mul(a, b);
}
template <Value A, Value B>
auto operator/(const A& a, const B& b) {
  return div(a, b);
}
template <Value V>
V operator+(const V& x, double c) {
  return add_number(x, c);
}
template <Value V>
V operator+(double c, const V& x) {
  return add_number(x, c);
}
template <Value V>
V operator-(const V& x, double c) {
  return add_number(x, -c);
}
template <Value V>
V operator-(double c, const V& x) {
  return add_number(scale(x, -1), c);
}
template <Value V>
V operator*(const V& x, double s) {
  return scale(x, s);
}
template <Value V>
V operator*(double s, const V& x) {
  return scale(x, s);
}
template <Value V>
V operator/(const V& x, double s) {
  return scale(x, 1 / s);
}
template <Value V>
V operator-(const V& x) {
  return scale(x, -1);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
