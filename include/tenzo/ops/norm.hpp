// Normalisation of rows: RMS norm and layer norm.
//
// With h the normalised x, y = h · weight + bias; an undefined weight is one, an undefined bias zero. Each primitive
// keeps the statistics as further outputs for its reverse rule.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/norm.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

namespace detail {

template <class T>
inline constexpr T* none = nullptr;

template <class T, class D>
const T* data_or_null(const Tensor<T, D>& t) {
  return t.defined() ? t.data() : nullptr;
}

/// h · weight + bias, where undefined ones are left out; both are shaped to broadcast against h.
template <Value V>
V affine(V h, const V& weight, const V& bias) {
  if (weight.defined()) h = mul(h, weight);
  return bias.defined() ? add(h, bias) : h;
}

/// Its tangent from dh: dh · weight + h · dweight + dbias. `h()` is asked for only where it is needed.
template <Value V, class H>
V affine_tangent(const V& dh, H&& h, const V& weight, const V& dweight, const V& dbias, const Shape& out) {
  V d = dh.defined() && weight.defined() ? mul(dh, weight) : dh;
  if (dweight.defined()) d = plus(d, mul(h(), dweight));
  if (dbias.defined()) d = plus(d, expand_to(dbias, out));
  return d;
}

template <Value V>
void expect_one_each(std::string_view op, std::string_view what, const V& v, std::int64_t n, const Shape& x) {
  expect(!v.defined() || v.shape() == Shape{n}, op, ": x is ", x, ", the ", what, ' ', v.shape(), "; want (", n, ')');
}

}  // namespace detail

/// y = x rstd · weight over rows of x (rows, n), with rstd = 1 / √(mean x² + eps).
struct RmsNormOp {
  static constexpr std::size_t inputs = 2, outputs = 2;  // x, weight → y, rstd
  static constexpr std::string_view name = "rms_norm";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false, true};
  double eps = 1e-6;

  template <class V>
  Values<V, 2> compose(const Values<V, 2>& x) const {
    const V rstd = rsqrt(mean(square(x[0]), -1, true) + eps);
    return {detail::affine(mul(x[0], rstd), x[1], V{})};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 2> eval(const Values<Tensor<T, D>, 2>& x) const {
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    Values<Tensor<T, D>, 2> y{Tensor<T, D>(x[0].shape()), Tensor<T, D>(Shape{rows})};
    rms_norm(D{}, rows, n, x[0].data(), detail::data_or_null(x[1]), eps, y[0].data(), y[1].data());
    return y;
  }
  // The map from dx to dh is symmetric, so the kernel of the reverse rule is that of the forward rule, without a
  // weight.
  template <class T, class D>
  Values<Tensor<T, D>, 2> jvp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 2>& dx,
                              const Values<Tensor<T, D>, 2>& y) const {
    Tensor<T, D> dh;
    if (dx[0].defined()) {
      dh = Tensor<T, D>(x[0].shape());
      rms_norm_backward(D{}, dh.dim(0), dh.dim(1), x[0].data(), detail::none<T>, y[1].data(), dx[0].data(), dh.data(),
                        detail::none<T>);
    }
    const auto h = [&] { return mul(x[0], unsqueeze(y[1], 1)); };
    return {detail::affine_tangent(dh, h, x[1], dx[1], Tensor<T, D>{}, x[0].shape())};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 2> vjp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 2>& y,
                              const Values<Tensor<T, D>, 2>& gy, const Values<bool, 2>& need) const {
    Values<Tensor<T, D>, 2> g;
    if (need[0]) g[0] = Tensor<T, D>(x[0].shape());
    if (need[1]) g[1] = Tensor<T, D>(x[1].shape());
    rms_norm_backward(D{}, x[0].dim(0), x[0].dim(1), x[0].data(), detail::data_or_null(x[1]), y[1].data(), gy[0].data(),
                      g[0].data(), g[1].data());
    return g;
  }
};

/// y = (x − mean) rstd · weight + bias over rows of x (rows, n), with rstd = 1 / √(variance + eps).
struct LayerNormOp {
  static constexpr std::size_t inputs = 3, outputs = 3;  // x, weight, bias → y, mean, rstd
  static constexpr std::string_view name = "layer_norm";
  static constexpr bool reads_inputs[] = {true, true, false}, reads_outputs[] = {false, true, true};
  double eps = 1e-5;

  template <class V>
  Values<V, 3> compose(const Values<V, 3>& x) const {
    const V centred = sub(x[0], mean(x[0], -1, true));
    const V rstd = rsqrt(mean(square(centred), -1, true) + eps);
    return {detail::affine(mul(centred, rstd), x[1], x[2])};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> eval(const Values<Tensor<T, D>, 3>& x) const {
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    Values<Tensor<T, D>, 3> y{Tensor<T, D>(x[0].shape()), Tensor<T, D>(Shape{rows}), Tensor<T, D>(Shape{rows})};
    layer_norm(D{}, rows, n, x[0].data(), detail::data_or_null(x[1]), detail::data_or_null(x[2]), eps, y[0].data(),
               y[1].data(), y[2].data());
    return y;
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> jvp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& dx,
                              const Values<Tensor<T, D>, 3>& y) const {
    Tensor<T, D> dh;
    if (dx[0].defined()) {
      dh = Tensor<T, D>(x[0].shape());
      layer_norm_backward(D{}, dh.dim(0), dh.dim(1), x[0].data(), detail::none<T>, y[1].data(), y[2].data(),
                          dx[0].data(), dh.data(), detail::none<T>, detail::none<T>);
    }
    const auto h = [&] { return mul(sub(x[0], unsqueeze(y[1], 1)), unsqueeze(y[2], 1)); };
    return {detail::affine_tangent(dh, h, x[1], dx[1], dx[2], x[0].shape())};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> vjp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& y,
                              const Values<Tensor<T, D>, 3>& gy, const Values<bool, 3>& need) const {
    Values<Tensor<T, D>, 3> g;
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    if (need[0]) g[0] = Tensor<T, D>(x[0].shape());
    for (std::size_t i : {1, 2})
      if (need[i]) g[i] = Tensor<T, D>(Shape{n});
    layer_norm_backward(D{}, rows, n, x[0].data(), detail::data_or_null(x[1]), y[1].data(), y[2].data(), gy[0].data(),
                        g[0].data(), g[1].data(), g[2].data());
    return g;
  }
};

/// x / √(mean x² + eps) · weight over the last axis.  x (..., n), weight (n) or undefined.
///   Source  Zhang, Sennrich 2019.
template <Value X, Value W>
auto rms_norm(const X& x, const W& weight, double eps = 1e-6) {
  expect(x.defined() && x.shape().rank() > 0, "rms_norm: x has no axis");
  const Shape in = x.shape(), rows{in.outer(in.rank() - 1), in.dim(-1)};
  detail::expect_one_each("rms_norm", "weight", weight, rows[1], in);
  return reshape(dispatch_one(RmsNormOp{eps}, reshape(x, rows), weight), in);
}

/// (x − mean) / √(variance + eps) · weight + bias over the last `normalized_axes` axes; weight and bias have their
/// shape or are undefined.
///   Source  Ba, Kiros, Hinton 2016.
template <Value X, Value W, Value B>
auto layer_norm(const X& x, const W& weight, const B& bias, double eps = 1e-5, int normalized_axes = 1) {
  const Shape in = x.shape();
  expect(x.defined() && 0 < normalized_axes && normalized_axes <= in.rank(), "layer_norm: the last ", normalized_axes,
         " axes of ", in);
  const Shape own(in.dims().last(std::size_t(normalized_axes))),
      rows{in.numel() / std::max<std::int64_t>(1, own.numel()), own.numel()};
  expect(!weight.defined() || weight.shape() == own, "layer_norm: x is ", in, ", weight is ", weight.shape(), "; want ",
         own);
  expect(!bias.defined() || bias.shape() == own, "layer_norm: x is ", in, ", bias is ", bias.shape(), "; want ", own);
  const Shape flat{rows[1]};
  const auto y = dispatch_one(LayerNormOp{eps}, reshape(x, rows), reshape(weight, flat), reshape(bias, flat));
  return reshape(y, in);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
