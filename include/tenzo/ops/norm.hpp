// Normalisation: RMS norm and layer norm of rows, batch norm and group norm of images.
//
// With h the normalised x, y = h · weight + bias; an undefined weight is one, an undefined bias zero. Each primitive
// keeps the statistics as further outputs for its reverse rule.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/channel_norm.hpp"
#include "tenzo/ops/cpu/norm.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

namespace detail {

template <class T>
const T* data_or_null(const Tensor<T>& t) {
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

/// A number a channel, shaped to broadcast against (n, channels, ...).
template <Value V>
V channel_shaped(const V& v, const Shape& x) {
  if (!v.defined()) return v;
  Shape s;
  for (int i = 1; i < x.rank(); ++i) s.push_back(i == 1 ? x[1] : 1);
  return reshape(v, s);
}

inline cpu::Channels channels_of(const Shape& x) { return {x[0], x[1], x.inner(1)}; }

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
  template <class T>
  Values<Tensor<T>, 2> eval(const Values<Tensor<T>, 2>& x) const {
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    Values<Tensor<T>, 2> y{Tensor<T>(x[0].shape()), Tensor<T>(Shape{rows})};
    cpu::rms_norm(rows, n, x[0].data(), detail::data_or_null(x[1]), eps, y[0].data(), y[1].data());
    return y;
  }
  // The map from dx to dh is symmetric, so the kernel of the reverse rule is that of the forward rule, without a
  // weight.
  template <class T>
  Values<Tensor<T>, 2> jvp(const Values<Tensor<T>, 2>& x, const Values<Tensor<T>, 2>& dx,
                           const Values<Tensor<T>, 2>& y) const {
    Tensor<T> dh;
    if (dx[0].defined()) {
      dh = Tensor<T>(x[0].shape());
      cpu::rms_norm_backward<T>(dh.dim(0), dh.dim(1), x[0].data(), nullptr, y[1].data(), dx[0].data(), dh.data(),
                                nullptr);
    }
    const auto h = [&] { return mul(x[0], unsqueeze(y[1], 1)); };
    return {detail::affine_tangent(dh, h, x[1], dx[1], Tensor<T>{}, x[0].shape())};
  }
  template <class T>
  Values<Tensor<T>, 2> vjp(const Values<Tensor<T>, 2>& x, const Values<Tensor<T>, 2>& y, const Values<Tensor<T>, 2>& gy,
                           const Values<bool, 2>& need) const {
    Values<Tensor<T>, 2> g;
    if (need[0]) g[0] = Tensor<T>(x[0].shape());
    if (need[1]) g[1] = Tensor<T>(x[1].shape());
    cpu::rms_norm_backward(x[0].dim(0), x[0].dim(1), x[0].data(), detail::data_or_null(x[1]), y[1].data(), gy[0].data(),
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
  template <class T>
  Values<Tensor<T>, 3> eval(const Values<Tensor<T>, 3>& x) const {
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    Values<Tensor<T>, 3> y{Tensor<T>(x[0].shape()), Tensor<T>(Shape{rows}), Tensor<T>(Shape{rows})};
    cpu::layer_norm(rows, n, x[0].data(), detail::data_or_null(x[1]), detail::data_or_null(x[2]), eps, y[0].data(),
                    y[1].data(), y[2].data());
    return y;
  }
  template <class T>
  Values<Tensor<T>, 3> jvp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& dx,
                           const Values<Tensor<T>, 3>& y) const {
    Tensor<T> dh;
    if (dx[0].defined()) {
      dh = Tensor<T>(x[0].shape());
      cpu::layer_norm_backward<T>(dh.dim(0), dh.dim(1), x[0].data(), nullptr, y[1].data(), y[2].data(), dx[0].data(),
                                  dh.data(), nullptr, nullptr);
    }
    const auto h = [&] { return mul(sub(x[0], unsqueeze(y[1], 1)), unsqueeze(y[2], 1)); };
    return {detail::affine_tangent(dh, h, x[1], dx[1], dx[2], x[0].shape())};
  }
  template <class T>
  Values<Tensor<T>, 3> vjp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& y, const Values<Tensor<T>, 3>& gy,
                           const Values<bool, 3>& need) const {
    Values<Tensor<T>, 3> g;
    const std::int64_t rows = x[0].dim(0), n = x[0].dim(1);
    if (need[0]) g[0] = Tensor<T>(x[0].shape());
    for (std::size_t i : {1, 2})
      if (need[i]) g[i] = Tensor<T>(Shape{n});
    cpu::layer_norm_backward(rows, n, x[0].data(), detail::data_or_null(x[1]), y[1].data(), y[2].data(), gy[0].data(),
                             g[0].data(), g[1].data(), g[2].data());
    return g;
  }
};

/// Of x (n, channels, ...): y = (x − mean) / √(variance + eps) · weight + bias with each channel's statistics over the
/// batch and its pixels, or with given ones, which are data.
struct BatchNormOp {
  static constexpr std::size_t inputs = 3, outputs = 3;  // x, weight, bias → y, mean, variance
  static constexpr std::string_view name = "batch_norm";
  static constexpr bool reads_inputs[] = {true, true, false}, reads_outputs[] = {false, true, true};
  double eps = 1e-5;

  template <class V>
  Values<V, 3> compose(const Values<V, 3>& x) const {
    const Axes over = all_but_channels(x[0].shape());
    const V centred = sub(x[0], mean(x[0], over, true));
    const V rstd = rsqrt(mean(square(centred), over, true) + eps);
    return {detail::affine(mul(centred, rstd), detail::channel_shaped(x[1], x[0].shape()),
                           detail::channel_shaped(x[2], x[0].shape()))};
  }
  template <class T>
  Values<Tensor<T>, 3> eval(const Values<Tensor<T>, 3>& x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T>, 3> y{Tensor<T>(x[0].shape()), Tensor<T>(each), Tensor<T>(each)};
    const cpu::Channels s = detail::channels_of(x[0].shape());
    cpu::batch_statistics(s, x[0].data(), y[1].data(), y[2].data());
    cpu::batch_norm(s, x[0].data(), y[1].data(), y[2].data(), detail::data_or_null(x[1]), detail::data_or_null(x[2]),
                    eps, y[0].data());
    return y;
  }
  template <class T>
  Values<Tensor<T>, 3> jvp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& dx,
                           const Values<Tensor<T>, 3>& y) const {
    const Shape& shape = x[0].shape();
    Tensor<T> dh;
    if (dx[0].defined()) dh = backward<T>(x, y, dx[0], nullptr, true)[0];
    const auto h = [&] {
      Tensor<T> t(shape);
      cpu::batch_norm<T>(detail::channels_of(shape), x[0].data(), y[1].data(), y[2].data(), nullptr, nullptr, eps,
                         t.data());
      return t;
    };
    return {detail::affine_tangent(dh, h, detail::channel_shaped(x[1], shape), detail::channel_shaped(dx[1], shape),
                                   detail::channel_shaped(dx[2], shape), shape)};
  }
  template <class T>
  Values<Tensor<T>, 3> vjp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& y, const Values<Tensor<T>, 3>& gy,
                           const Values<bool, 3>& need) const {
    return backward(x, y, gy[0], detail::data_or_null(x[1]), need[0]);
  }

 private:
  static Axes all_but_channels(const Shape& x) {
    Axes axes{0};
    for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
    return axes;
  }
  template <class T>
  Values<Tensor<T>, 3> backward(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& y, const Tensor<T>& up,
                                const T* weight, bool need_x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T>, 3> g{need_x ? Tensor<T>(x[0].shape()) : Tensor<T>{}, Tensor<T>(each), Tensor<T>(each)};
    cpu::batch_norm_backward(detail::channels_of(x[0].shape()), x[0].data(), y[1].data(), y[2].data(), weight, eps,
                             true, up.data(), g[0].data(), g[1].data(), g[2].data());
    return g;
  }
};

/// Of x (n, channels, ...): y = (x − mean) rstd · weight + bias with the statistics of each group of channels of each
/// image.
struct GroupNormOp {
  static constexpr std::size_t inputs = 3, outputs = 3;  // x, weight, bias → y, mean, rstd
  static constexpr std::string_view name = "group_norm";
  static constexpr bool reads_inputs[] = {true, true, false}, reads_outputs[] = {false, true, true};
  std::int64_t groups = 1;
  double eps = 1e-5;

  template <class V>
  Values<V, 3> compose(const Values<V, 3>& x) const {
    const Shape& shape = x[0].shape();
    const V rows = reshape(x[0], Shape{shape[0] * groups, shape.inner(0) / groups});
    const V h = reshape(LayerNormOp{eps}.compose(Values<V, 3>{rows})[0], shape);
    return {detail::affine(h, detail::channel_shaped(x[1], shape), detail::channel_shaped(x[2], shape))};
  }
  template <class T>
  Values<Tensor<T>, 3> eval(const Values<Tensor<T>, 3>& x) const {
    const Shape each{x[0].dim(0) * groups};
    Values<Tensor<T>, 3> y{Tensor<T>(x[0].shape()), Tensor<T>(each), Tensor<T>(each)};
    cpu::group_norm(detail::channels_of(x[0].shape()), groups, x[0].data(), detail::data_or_null(x[1]),
                    detail::data_or_null(x[2]), eps, y[0].data(), y[1].data(), y[2].data());
    return y;
  }
  template <class T>
  Values<Tensor<T>, 3> jvp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& dx,
                           const Values<Tensor<T>, 3>& y) const {
    const Shape& shape = x[0].shape();
    Tensor<T> dh;
    if (dx[0].defined()) dh = backward<T>(x, y, dx[0], nullptr, true)[0];
    const auto h = [&] { return eval(Values<Tensor<T>, 3>{x[0]})[0]; };
    return {detail::affine_tangent(dh, h, detail::channel_shaped(x[1], shape), detail::channel_shaped(dx[1], shape),
                                   detail::channel_shaped(dx[2], shape), shape)};
  }
  template <class T>
  Values<Tensor<T>, 3> vjp(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& y, const Values<Tensor<T>, 3>& gy,
                           const Values<bool, 3>& need) const {
    return backward(x, y, gy[0], detail::data_or_null(x[1]), need[0]);
  }

 private:
  template <class T>
  Values<Tensor<T>, 3> backward(const Values<Tensor<T>, 3>& x, const Values<Tensor<T>, 3>& y, const Tensor<T>& up,
                                const T* weight, bool need_x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T>, 3> g{need_x ? Tensor<T>(x[0].shape()) : Tensor<T>{}, Tensor<T>(each), Tensor<T>(each)};
    cpu::group_norm_backward(detail::channels_of(x[0].shape()), groups, x[0].data(), weight, y[1].data(), y[2].data(),
                             up.data(), g[0].data(), g[1].data(), g[2].data());
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

/// A batch-normalised value with the statistics that it was normalised by, a number a channel; the variance is
/// Σ (x − mean)² / m over the m numbers of a channel.
template <Value V>
struct BatchNormalized {
  V y;
  plain_t<V> mean, variance;
};

/// Batch norm with the batch's own statistics, as in training.  x (n, channels, ...), weight, bias (channels) or
/// undefined.
///   Source  Ioffe, Szegedy 2015, algorithm 1.
template <Value X, Value W, Value B>
auto batch_norm(const X& x, const W& weight, const B& bias, double eps = 1e-5) {
  using V = typename detail::PromotedAll<X, W, B>::type;
  expect(x.defined() && x.shape().rank() >= 2, "batch_norm: x has no channels");
  detail::expect_one_each("batch_norm", "weight", weight, x.shape()[1], x.shape());
  detail::expect_one_each("batch_norm", "bias", bias, x.shape()[1], x.shape());
  const Values<V, 3> in{lift<V>(x), lift<V>(weight), lift<V>(bias)};
  const Values<V, 3> y = dispatch(BatchNormOp{eps}, in);
  if (y[1].defined()) return BatchNormalized<V>{y[0], plain(y[1]), plain(y[2])};
  // Values that went through `compose` leave no statistics behind.
  plain_t<V> mean(Shape{x.shape()[1]}), variance(mean.shape());
  cpu::batch_statistics(detail::channels_of(x.shape()), plain(x).data(), mean.data(), variance.data());
  return BatchNormalized<V>{y[0], mean, variance};
}

/// Batch norm with given statistics, as in inference; they are data.
template <Value X, Value W, Value B, Plain P>
auto batch_norm(const X& x, const P& running_mean, const P& running_variance, const W& weight, const B& bias,
                double eps = 1e-5) {
  expect(x.defined() && x.shape().rank() >= 2, "batch_norm: x has no channels");
  const std::int64_t channels = x.shape()[1];
  detail::expect_one_each("batch_norm", "mean", running_mean, channels, x.shape());
  detail::expect_one_each("batch_norm", "variance", running_variance, channels, x.shape());
  detail::expect_one_each("batch_norm", "weight", weight, channels, x.shape());
  detail::expect_one_each("batch_norm", "bias", bias, channels, x.shape());
  // y = x a + (bias − mean a) with a = weight rstd: numbers a channel first, then one pass each over x.
  using V = typename detail::PromotedAll<P, W, B>::type;
  const P rstd = rsqrt(running_variance + eps);
  const V a = weight.defined() ? V(lift<V>(mul(weight, rstd))) : V(lift<V>(rstd));
  const V shift = scale(mul(running_mean, a), -1), b = bias.defined() ? V(lift<V>(add(shift, bias))) : shift;
  return add(mul(x, detail::channel_shaped(a, x.shape())), detail::channel_shaped(b, x.shape()));
}

/// Normalised over groups of channels and all their pixels.  x (n, channels, ...), weight, bias (channels) or
/// undefined; `groups` divides the channels.
///   Source  Wu, He 2018.
template <Value X, Value W, Value B>
auto group_norm(const X& x, std::int64_t groups, const W& weight, const B& bias, double eps = 1e-5) {
  expect(x.defined() && x.shape().rank() >= 2, "group_norm: x has no channels");
  expect(groups > 0 && x.shape()[1] % groups == 0, "group_norm: ", groups, " groups of ", x.shape()[1], " channels");
  detail::expect_one_each("group_norm", "weight", weight, x.shape()[1], x.shape());
  detail::expect_one_each("group_norm", "bias", bias, x.shape()[1], x.shape());
  return dispatch_one(GroupNormOp{groups, eps}, x, weight, bias);
}

}  // namespace tenzo
