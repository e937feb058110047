// Normalisation of images by channels: batch norm and group norm.
//
// With h the normalised x, y = h · weight + bias; an undefined weight is one, an undefined bias zero.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/channel_norm.hpp"
#include "tenzo/ops/norm.hpp"

namespace tenzo {

namespace detail {

/// A number a channel, shaped to broadcast against (n, channels, ...).
template <Value V>
V channel_shaped(const V& v, const Shape& x) {
  if (!v.defined()) return v;
  Shape s;
  for (int i = 1; i < x.rank(); ++i) s.push_back(i == 1 ? x[1] : 1);
  return reshape(v, s);
}

inline Channels channels_of(const Shape& x) { return {x[0], x[1], x.inner(1)}; }

}  // namespace detail

/// Of x (n, channels, ...): y = (x − mean) / √(variance + eps) · weight + bias with each channel's statistics over the
/// batch and its pixels.
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
  template <class T, class D>
  Values<Tensor<T, D>, 3> eval(const Values<Tensor<T, D>, 3>& x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T, D>, 3> y{Tensor<T, D>(x[0].shape()), Tensor<T, D>(each), Tensor<T, D>(each)};
    const Channels s = detail::channels_of(x[0].shape());
    batch_statistics(D{}, s, x[0].data(), y[1].data(), y[2].data());
    batch_norm(D{}, s, x[0].data(), y[1].data(), y[2].data(), detail::data_or_null(x[1]), detail::data_or_null(x[2]),
               eps, y[0].data());
    return y;
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> jvp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& dx,
                              const Values<Tensor<T, D>, 3>& y) const {
    const Shape& shape = x[0].shape();
    Tensor<T, D> dh;
    if (dx[0].defined()) dh = backward(x, y, dx[0], detail::none<T>, true)[0];
    const auto h = [&] {
      Tensor<T, D> t(shape);
      batch_norm(D{}, detail::channels_of(shape), x[0].data(), y[1].data(), y[2].data(), detail::none<T>,
                 detail::none<T>, eps, t.data());
      return t;
    };
    return {detail::affine_tangent(dh, h, detail::channel_shaped(x[1], shape), detail::channel_shaped(dx[1], shape),
                                   detail::channel_shaped(dx[2], shape), shape)};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> vjp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& y,
                              const Values<Tensor<T, D>, 3>& gy, const Values<bool, 3>& need) const {
    return backward(x, y, gy[0], detail::data_or_null(x[1]), need[0]);
  }

 private:
  static Axes all_but_channels(const Shape& x) {
    Axes axes{0};
    for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
    return axes;
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> backward(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& y,
                                   const Tensor<T, D>& up, const T* weight, bool need_x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T, D>, 3> g{need_x ? Tensor<T, D>(x[0].shape()) : Tensor<T, D>{}, Tensor<T, D>(each),
                              Tensor<T, D>(each)};
    batch_norm_backward(D{}, detail::channels_of(x[0].shape()), x[0].data(), y[1].data(), y[2].data(), weight, eps,
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
  template <class T, class D>
  Values<Tensor<T, D>, 3> eval(const Values<Tensor<T, D>, 3>& x) const {
    const Shape each{x[0].dim(0) * groups};
    Values<Tensor<T, D>, 3> y{Tensor<T, D>(x[0].shape()), Tensor<T, D>(each), Tensor<T, D>(each)};
    group_norm(D{}, detail::channels_of(x[0].shape()), groups, x[0].data(), detail::data_or_null(x[1]),
               detail::data_or_null(x[2]), eps, y[0].data(), y[1].data(), y[2].data());
    return y;
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> jvp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& dx,
                              const Values<Tensor<T, D>, 3>& y) const {
    const Shape& shape = x[0].shape();
    Tensor<T, D> dh;
    if (dx[0].defined()) dh = backward(x, y, dx[0], detail::none<T>, true)[0];
    const auto h = [&] { return eval(Values<Tensor<T, D>, 3>{x[0]})[0]; };
    return {detail::affine_tangent(dh, h, detail::channel_shaped(x[1], shape), detail::channel_shaped(dx[1], shape),
                                   detail::channel_shaped(dx[2], shape), shape)};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 3> vjp(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& y,
                              const Values<Tensor<T, D>, 3>& gy, const Values<bool, 3>& need) const {
    return backward(x, y, gy[0], detail::data_or_null(x[1]), need[0]);
  }

 private:
  template <class T, class D>
  Values<Tensor<T, D>, 3> backward(const Values<Tensor<T, D>, 3>& x, const Values<Tensor<T, D>, 3>& y,
                                   const Tensor<T, D>& up, const T* weight, bool need_x) const {
    const Shape each{x[0].dim(1)};
    Values<Tensor<T, D>, 3> g{need_x ? Tensor<T, D>(x[0].shape()) : Tensor<T, D>{}, Tensor<T, D>(each),
                              Tensor<T, D>(each)};
    group_norm_backward(D{}, detail::channels_of(x[0].shape()), groups, x[0].data(), weight, y[1].data(), y[2].data(),
                        up.data(), g[0].data(), g[1].data(), g[2].data());
    return g;
  }
};

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
  batch_statistics(device_t<V>{}, detail::channels_of(x.shape()), plain(x).data(), mean.data(), variance.data());
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
