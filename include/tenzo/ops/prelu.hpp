// A rectifier whose slope below zero is learnt.
#pragma once

#include <string_view>

#include "tenzo/ops/reduce.hpp"

namespace tenzo {

namespace fn {

/// x above zero, a x below; its slopes by x and by a, times g.
struct ParametricRelu {
  template <class T>
  TENZO_FUNCTION T operator()(T x, T a) const {
    return x > T(0) ? x : a * x;
  }
};
struct ParametricReluSlope {
  template <class T>
  TENZO_FUNCTION T operator()(T x, T a) const {
    return x > T(0) ? T(1) : a;
  }
};
struct NegativePart {
  template <class T>
  TENZO_FUNCTION T operator()(T x, T g) const {
    return x > T(0) ? T(0) : x * g;
  }
};

}  // namespace fn

/// max(x, 0) + a min(x, 0), a broadcast to x.
struct Prelu {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "prelu";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};

  template <class V>
  Values<V, 1> compose(const Values<V, 2>& x) const {
    return {sub(relu(x[0]), mul(x[1], relu(neg(x[0]))))};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    return {detail::broadcast_map(x[0].shape(), x[0], x[1], fn::ParametricRelu{})};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 1> jvp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 2>& dx,
                              const Values<Tensor<T, D>, 1>&) const {
    Tensor<T, D> d;
    if (dx[0].defined()) d = mul(slopes(x), dx[0]);
    if (dx[1].defined()) d = plus(d, detail::broadcast_map(x[0].shape(), x[0], dx[1], fn::NegativePart{}));
    return {d};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 2> vjp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 1>&,
                              const Values<Tensor<T, D>, 1>& gy, const Values<bool, 2>& need) const {
    Values<Tensor<T, D>, 2> g;
    if (need[0]) g[0] = mul(slopes(x), gy[0]);
    if (need[1]) g[1] = sum_to(detail::broadcast_map(x[0].shape(), x[0], gy[0], fn::NegativePart{}), x[1].shape());
    return g;
  }

 private:
  template <class T, class D>
  static Tensor<T, D> slopes(const Values<Tensor<T, D>, 2>& x) {
    return detail::broadcast_map(x[0].shape(), x[0], x[1], fn::ParametricReluSlope{});
  }
};

/// x above zero, a x below. a (1) is one slope for all of x; a (channels) is one for each of x's axis 1.
///   Source  He et al. 2015, "Delving deep into rectifiers".
template <Value X, Value A>
auto prelu(const X& x, const A& slope) {
  expect(x.defined() && slope.defined() && slope.shape().rank() == 1, "prelu: x is ", x.shape(), ", slopes are ",
         slope.shape(), "; want one axis of slopes");
  const std::int64_t n = slope.shape()[0];
  Shape wide = x.shape();
  for (int i = 0; i < wide.rank(); ++i) wide = wide.with(i, i == 1 ? n : 1);
  expect(n == 1 || (x.shape().rank() > 1 && x.shape()[1] == n), "prelu: x is ", x.shape(), ", slopes are ",
         slope.shape(), "; want one, or one a channel");
  return dispatch_one(Prelu{}, x, n == 1 ? reshape(slope, Shape{1}) : reshape(slope, wide));
}

}  // namespace tenzo
