// Softmax, its logarithm, and log Σ eˣ along an axis.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/softmax.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/ops/shapes/axis.hpp"

namespace tenzo {

/// y = eˣ / Σ eˣ;  dy = y (dx − Σ y dx), and the same for cotangents.
struct Softmax {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "softmax";
  static constexpr bool reads_inputs[] = {false}, reads_outputs[] = {true};
  int axis = 0;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> y(x[0].shape());
    const AroundAxis s(y.shape(), axis);
    softmax(D{}, s.outer, s.n, s.inner, x[0].data(), y.data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>&, const Values<V, 1>& dx, const Values<V, 1>& y) const {
    return {derivative(y[0], dx[0])};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, 1>& y, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return {derivative(y[0], gy[0])};
  }

 private:
  template <class V>
  V derivative(const V& y, const V& g) const {
    if constexpr (Plain<V>) {
      V d(y.shape());
      const AroundAxis s(y.shape(), axis);
      softmax_backward(device_t<V>{}, s.outer, s.n, s.inner, y.data(), g.data(), d.data());
      return d;
    } else {
      return mul(y, sub(g, sum(mul(y, g), axis, true)));
    }
  }
};

/// y = x − log Σ eˣ;  dy = dx − Σ e^y dx,  gx = gy − e^y Σ gy.
struct LogSoftmax {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "log_softmax";
  static constexpr bool reads_inputs[] = {false}, reads_outputs[] = {true};
  int axis = 0;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> y(x[0].shape());
    const AroundAxis s(y.shape(), axis);
    log_softmax(D{}, s.outer, s.n, s.inner, x[0].data(), y.data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>&, const Values<V, 1>& dx, const Values<V, 1>& y) const {
    return {sub(dx[0], sum(mul(exp(y[0]), dx[0]), axis, true))};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, 1>& y, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    if constexpr (Plain<V>) {
      V gx(gy[0].shape());
      const AroundAxis s(gx.shape(), axis);
      log_softmax_backward(device_t<V>{}, s.outer, s.n, s.inner, y[0].data(), gy[0].data(), gx.data());
      return {gx};
    } else {
      return {sub(gy[0], mul(exp(y[0]), sum(gy[0], axis, true)))};
    }
  }
};

/// y = log Σ eˣ, the axis kept with one element;  dy = Σ p dx,  gx = p gy  with p = e^(x − y).
struct LogSumExp {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "logsumexp";
  int axis = 0;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> y(x[0].shape().with(axis, 1));
    const AroundAxis s(x[0].shape(), axis);
    logsumexp(D{}, s.outer, s.n, s.inner, x[0].data(), y.data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>& x, const Values<V, 1>& dx, const Values<V, 1>& y) const {
    return {sum(mul(exp(sub(x[0], y[0])), dx[0]), axis, true)};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& x, const Values<V, 1>& y, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    if constexpr (Plain<V>) {
      V gx(x[0].shape());
      const AroundAxis s(gx.shape(), axis);
      logsumexp_backward(device_t<V>{}, s.outer, s.n, s.inner, x[0].data(), y[0].data(), gy[0].data(), gx.data());
      return {gx};
    } else {
      return {mul(exp(sub(x[0], y[0])), gy[0])};
    }
  }
};

/// eˣ / Σ eˣ along an axis.
template <Value V>
V softmax(const V& x, int axis) {
  return dispatch(Softmax{x.shape().normalized_axis(axis)}, Values<V, 1>{x})[0];
}
/// log softmax(x) along an axis; finite wherever x is.
template <Value V>
V log_softmax(const V& x, int axis) {
  return dispatch(LogSoftmax{x.shape().normalized_axis(axis)}, Values<V, 1>{x})[0];
}
/// log Σ eˣ along an axis; −∞ over none.
template <Value V>
V logsumexp(const V& x, int axis, bool keepdim = false) {
  const V y = dispatch(LogSumExp{x.shape().normalized_axis(axis)}, Values<V, 1>{x})[0];
  return detail::finish_reduction(y, x.shape(), axis, keepdim);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
