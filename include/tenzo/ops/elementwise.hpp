// Element-wise functions of one operand. Each is its value, its slope as numbers, and its derivative as values.
#pragma once

#include <cmath>
#include <string_view>

#include "tenzo/core/math.hpp"
#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/cpu/index.hpp"

namespace tenzo {

/// y = f(x) element by element, for an F with
///   f(T x) → T             the value
///   f.slope(T x, T y) → T  the derivative, for the loop that differentiates tensors in one pass
///   f.derivative(x, y)     the same from operations on any value; undefined where it is zero
///   reads_x, reads_y       whether slope and derivative read x and y
template <class F>
struct Unary {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = F::name;
  static constexpr bool reads_inputs[] = {F::reads_x}, reads_outputs[] = {F::reads_y};
  F f;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    Tensor<T, D> y(x[0].shape());
    map(D{}, y.size(), y.data(), f, x[0].data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>& x, const Values<V, 1>& dx, const Values<V, 1>& y) const {
    return {chain(x[0], y[0], dx[0])};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& x, const Values<V, 1>& y, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return {chain(x[0], y[0], gy[0])};
  }

 private:
  template <class V>
  V chain(const V& x, const V& y, const V& g) const {
    if constexpr (Plain<V>) {
      using T = scalar_t<V>;
      V out(g.shape());
      // Where the slope does not read x or y, that tensor was not kept: g stands in for it.
      const T* px = F::reads_x ? x.data() : g.data();
      const T* py = F::reads_y ? y.data() : g.data();
      map(device_t<V>{}, out.size(), out.data(), fn::SlopeTimes<F>{f}, px, py, g.data());
      return out;
    } else {
      return times(f.derivative(x, y), g);
    }
  }
};

namespace fn {

// The derivative of a step is zero.
template <class Self>
struct Flat {
  static constexpr bool reads_x = false, reads_y = false;
  template <class T>
  TENZO_FUNCTION T slope(T, T) const {
    return T(0);
  }
  template <class V>
  V derivative(const V&, const V&) const {
    return {};
  }
};

struct Step : Flat<Step> {
  static constexpr std::string_view name = "step";
  double below = 0;  // value at and below zero; one above
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x > T(0) ? T(1) : T(below);
  }
};
struct Sign : Flat<Sign> {
  static constexpr std::string_view name = "sign";
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return T(x > T(0)) - T(x < T(0));
  }
};
struct Within : Flat<Within> {
  static constexpr std::string_view name = "within";
  double low, high;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return T(x >= T(low)) * T(x <= T(high));
  }
};

struct Exp {
  static constexpr std::string_view name = "exp";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::exp(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return y;
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return y;
  }
};
struct Log {
  static constexpr std::string_view name = "log";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::log(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return T(1) / x;
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
struct Pow {
  static constexpr std::string_view name = "pow";
  static constexpr bool reads_x = true, reads_y = false;
  double exponent;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return std::pow(x, T(exponent));
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return exponent == 0 ? T(0) : T(exponent) * std::pow(x, T(exponent - 1));
  }
  template <class V>
  V derivative(const V& x, const V&) const {
    if (exponent == 0) return {};
    return scale(dispatch(Unary<Pow>{{exponent - 1}}, Values<V, 1>{x})[0], exponent);
  }
};
struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return std::sqrt(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return T(0.5) / y;
  }
  template <class V>
  V derivative(const V&, const V& y) const;
};
struct Rsqrt {
  static constexpr std::string_view name = "rsqrt";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return T(1) / std::sqrt(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return T(-0.5) * (y * y * y);
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return scale(mul(mul(y, y), y), -0.5);
  }
};
struct Square {
  static constexpr std::string_view name = "square";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x * x;
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return x + x;
  }
  template <class V>
  V derivative(const V& x, const V&) const {
    return scale(x, 2);
  }
};
struct Abs {
  static constexpr std::string_view name = "abs";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return std::abs(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return T(x > T(0)) - T(x < T(0));
  }
  template <class V>
  V derivative(const V& x, const V&) const {
    return dispatch(Unary<Sign>{}, Values<V, 1>{x})[0];
  }
};
struct Sin {
  static constexpr std::string_view name = "sin";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::sin(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return math::cos(x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
struct Cos {
  static constexpr std::string_view name = "cos";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::cos(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return -math::sin(x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
struct Tanh {
  static constexpr std::string_view name = "tanh";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::tanh(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return T(1) - y * y;
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return 1.0 - mul(y, y);
  }
};
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::sigmoid(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return y * (T(1) - y);
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return mul(y, 1.0 - y);
  }
};
struct Erf {
  static constexpr std::string_view name = "erf";
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr double factor = 1.1283791670955126;  // 2 / sqrt(pi)
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return math::erf(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return T(factor) * math::exp(-x * x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
struct Relu {
  static constexpr std::string_view name = "relu";
  static constexpr bool reads_x = false, reads_y = true;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x > T(0) ? x : (x != x ? x : T(0));  // a NaN stays one
  }
  template <class T>
  TENZO_FUNCTION T slope(T, T y) const {
    return y > T(0) ? T(1) : T(0);
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return dispatch(Unary<Step>{}, Values<V, 1>{y})[0];
  }
};
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr bool reads_x = true, reads_y = false;
  double below = 0.01;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x > T(0) ? x : T(below) * x;
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return x > T(0) ? T(1) : T(below);
  }
  template <class V>
  V derivative(const V& x, const V&) const {
    return dispatch(Unary<Step>{{{}, below}}, Values<V, 1>{x})[0];
  }
};
struct Clamp {
  static constexpr std::string_view name = "clamp";
  static constexpr bool reads_x = true, reads_y = false;
  double low, high;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x < T(low) ? T(low) : (x > T(high) ? T(high) : x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return T(x >= T(low)) * T(x <= T(high));
  }
  template <class V>
  V derivative(const V& x, const V&) const {
    return dispatch(Unary<Within>{{{}, low, high}}, Values<V, 1>{x})[0];
  }
};
struct Silu {
  static constexpr std::string_view name = "silu";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return x * math::sigmoid(x);
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    const T s = math::sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
struct Softplus {
  static constexpr std::string_view name = "softplus";
  static constexpr bool reads_x = true, reads_y = false;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {  // max(x, 0) + log(1 + e^-|x|) never overflows
    const T e = math::exp(-std::abs(x));
    const T u = T(1) + e;
    const T log1p = u == T(1) ? e : math::log(u) * (e / (u - T(1)));
    return (x > T(0) ? x : T(0)) + log1p;
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return math::sigmoid(x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
/// x Φ(x), Φ the standard normal distribution.
struct Gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr double root_half = 0.70710678118654752, density = 0.39894228040143268;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return T(0.5) * x * (T(1) + math::erf(x * T(root_half)));
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    return T(0.5) * (T(1) + math::erf(x * T(root_half))) + x * T(density) * math::exp(T(-0.5) * x * x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};
/// The tanh form: x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))).
struct GeluTanh {
  static constexpr std::string_view name = "gelu_tanh";
  static constexpr bool reads_x = true, reads_y = false;
  static constexpr double a = 0.79788456080286536, b = 0.044715;
  template <class T>
  TENZO_FUNCTION T operator()(T x) const {
    return T(0.5) * x * (T(1) + math::tanh(T(a) * (x + T(b) * x * x * x)));
  }
  template <class T>
  TENZO_FUNCTION T slope(T x, T) const {
    const T t = math::tanh(T(a) * (x + T(b) * x * x * x));
    return T(0.5) * (T(1) + t) + T(0.5) * x * (T(1) - t * t) * T(a) * (T(1) + T(3 * b) * x * x);
  }
  template <class V>
  V derivative(const V& x, const V&) const;
};

}  // namespace fn

namespace detail {
template <class F, Value V>
V unary(const F& f, const V& x) {
  expect(x.defined(), F::name, ": an undefined operand");
  return dispatch(Unary<F>{f}, Values<V, 1>{x})[0];
}
}  // namespace detail

template <Value V>
V exp(const V& x) {
  return detail::unary(fn::Exp{}, x);
}
template <Value V>
V log(const V& x) {
  return detail::unary(fn::Log{}, x);
}
template <Value V>
V pow(const V& x, double exponent) {
  return detail::unary(fn::Pow{exponent}, x);
}
template <Value V>
V sqrt(const V& x) {
  return detail::unary(fn::Sqrt{}, x);
}
template <Value V>
V rsqrt(const V& x) {
  return detail::unary(fn::Rsqrt{}, x);
}
template <Value V>
V square(const V& x) {
  return detail::unary(fn::Square{}, x);
}
template <Value V>
V abs(const V& x) {
  return detail::unary(fn::Abs{}, x);
}
template <Value V>
V sign(const V& x) {
  return detail::unary(fn::Sign{}, x);
}
/// One where x > 0, `below` elsewhere; its derivative is zero.
template <Value V>
V step(const V& x, double below = 0) {
  return detail::unary(fn::Step{{}, below}, x);
}
template <Value V>
V sin(const V& x) {
  return detail::unary(fn::Sin{}, x);
}
template <Value V>
V cos(const V& x) {
  return detail::unary(fn::Cos{}, x);
}
template <Value V>
V tanh(const V& x) {
  return detail::unary(fn::Tanh{}, x);
}
template <Value V>
V sigmoid(const V& x) {
  return detail::unary(fn::Sigmoid{}, x);
}
template <Value V>
V erf(const V& x) {
  return detail::unary(fn::Erf{}, x);
}
template <Value V>
V relu(const V& x) {
  return detail::unary(fn::Relu{}, x);
}
template <Value V>
V leaky_relu(const V& x, double slope) {
  return detail::unary(fn::LeakyRelu{slope}, x);
}
template <Value V>
V clamp(const V& x, double low, double high) {
  return detail::unary(fn::Clamp{low, high}, x);
}
template <Value V>
V silu(const V& x) {
  return detail::unary(fn::Silu{}, x);
}
template <Value V>
V softplus(const V& x) {
  return detail::unary(fn::Softplus{}, x);
}
template <Value V>
V gelu(const V& x) {
  return detail::unary(fn::Gelu{}, x);
}
template <Value V>
V gelu_tanh(const V& x) {
  return detail::unary(fn::GeluTanh{}, x);
}

namespace fn {

template <class V>
V Log::derivative(const V& x, const V&) const {
  return tenzo::pow(x, -1);
}
template <class V>
V Sqrt::derivative(const V&, const V& y) const {
  return scale(tenzo::pow(y, -1), 0.5);
}
template <class V>
V Sin::derivative(const V& x, const V&) const {
  return tenzo::cos(x);
}
template <class V>
V Cos::derivative(const V& x, const V&) const {
  return neg(tenzo::sin(x));
}
template <class V>
V Erf::derivative(const V& x, const V&) const {
  return scale(tenzo::exp(neg(tenzo::square(x))), factor);
}
template <class V>
V Silu::derivative(const V& x, const V&) const {
  const V s = tenzo::sigmoid(x);
  return mul(s, 1.0 + mul(x, 1.0 - s));
}
template <class V>
V Softplus::derivative(const V& x, const V&) const {
  return tenzo::sigmoid(x);
}
template <class V>
V Gelu::derivative(const V& x, const V&) const {
  const V cdf = scale(tenzo::erf(scale(x, root_half)) + 1.0, 0.5);
  return add(cdf, mul(x, scale(tenzo::exp(scale(tenzo::square(x), -0.5)), density)));
}
template <class V>
V GeluTanh::derivative(const V& x, const V&) const {
  const V x2 = tenzo::square(x), t = tenzo::tanh(mul(scale(x, a), 1.0 + scale(x2, b)));
  return add(scale(1.0 + t, 0.5), mul(scale(mul(x, 1.0 - tenzo::square(t)), 0.5 * a), 1.0 + scale(x2, 3 * b)));
}

}  // namespace fn

/// x where the mask is set, y elsewhere; the mask is data, on the device M.
template <class M>
struct Where {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "where";
  static constexpr bool reads_inputs[] = {false, false}, reads_outputs[] = {false};
  Tensor<std::uint8_t, M> mask;
  Shape a, b;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    // An undefined operand is zero: that is how the rules below leave one out.
    const Tensor<T, D> zero = Tensor<T, D>::scalar(0);
    const Tensor<T, D> p = expand_to(x[0].defined() ? x[0] : zero, mask.shape());
    const Tensor<T, D> q = expand_to(x[1].defined() ? x[1] : zero, mask.shape());
    Tensor<T, D> y(mask.shape());
    choose(D{}, y.size(), mask.template on<D>().data(), std::as_const(p).data(), std::as_const(q).data(), y.data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>&, const Values<V, 2>& dx, const Values<V, 1>&) const {
    return dispatch(*this, dx);
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>&, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    if (need[0]) g[0] = sum_to(dispatch(*this, Values<V, 2>{gy[0], V{}})[0], a);
    if (need[1]) g[1] = sum_to(dispatch(*this, Values<V, 2>{V{}, gy[0]})[0], b);
    return g;
  }
};

/// `a` where the mask is not zero, `b` elsewhere; all three broadcast.
template <class M, Value A, Value B>
auto where(const Tensor<std::uint8_t, M>& mask, const A& a, const B& b) {
  const Shape out = broadcast_shapes(mask.shape(), broadcast_shapes(a.shape(), b.shape()));
  Tensor<std::uint8_t, M> m = mask;
  if (!(mask.shape() == out)) {
    m = Tensor<std::uint8_t, M>(out);
    map_broadcast(M{}, out, m.data(), mask.shape(), mask.data(), Shape{}, mask.data(), fn::First{});
  }
  return dispatch_one(Where<M>{m, a.shape(), b.shape()}, a, b);
}

}  // namespace tenzo
