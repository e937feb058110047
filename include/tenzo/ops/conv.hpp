// 2-D convolution and transposed convolution.
//
// T(x, w, y) = Σ y · conv(x, w) is linear in each of three slots, and each of the three maps here is its gradient by
// one slot: the convolution by y, the transposed convolution by x, the weights' gradient by w. So the three are closed
// under differentiation: every derivative of one of them is one of them.
#pragma once

#include <array>
#include <string_view>

#include "tenzo/ops/cpu/conv.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

/// The slots of T, in the order in which operands are given.
enum class ConvSlot { x, weight, y };

/// The gradient of T by the slot R, of what stands in the two others, + a bias a channel where it is defined.
template <ConvSlot R>
struct ConvMap {
  static constexpr std::size_t inputs = 3, outputs = 1;  // the other two slots, bias
  static constexpr std::string_view name = R == ConvSlot::y   ? "conv2d"
                                           : R == ConvSlot::x ? "conv_transpose2d"
                                                              : "conv2d_weight_gradient";
  static constexpr bool reads_inputs[] = {true, true, false}, reads_outputs[] = {false};
  static constexpr ConvSlot first = R == ConvSlot::x ? ConvSlot::weight : ConvSlot::x;
  static constexpr ConvSlot second = R == ConvSlot::y ? ConvSlot::weight : ConvSlot::y;
  ConvGeometry g;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 3>& v) const {
    Tensor<T, D> r(shape());
    const T *a = v[0].data(), *b = v[1].data(), *bias = v[2].defined() ? v[2].data() : nullptr;
    if constexpr (R == ConvSlot::y) conv2d(D{}, g, a, b, bias, r.data());
    else if constexpr (R == ConvSlot::x) conv2d_input_gradient(D{}, g, b, a, bias, r.data());
    else conv2d_weight_gradient(D{}, g, a, b, r.data());
    return {r};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 3>& v, const Values<V, 3>& dv, const Values<V, 1>&) const {
    V d;
    if (dv[0].defined()) d = dispatch(*this, Values<V, 3>{dv[0], v[1]})[0];
    if (dv[1].defined()) d = plus(d, dispatch(*this, Values<V, 3>{v[0], dv[1]})[0]);
    if (dv[2].defined()) d = plus(d, expand_to(reshape(dv[2], Shape{dv[2].shape()[0], 1, 1}), shape()));
    return {d};
  }
  template <class V>
  Values<V, 3> vjp(const Values<V, 3>& v, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 3>& need) const {
    Values<V, 3> grad;
    if (need[0]) grad[0] = gradient_by<first>(second, v[1], gy[0]);
    if (need[1]) grad[1] = gradient_by<second>(first, v[0], gy[0]);
    if (need[2]) grad[2] = bias_gradient(gy[0]);
    return grad;
  }

 private:
  Shape shape() const {
    switch (R) {
      case ConvSlot::x: return {g.batch, g.in, g.in_size.h, g.in_size.w};
      case ConvSlot::weight: return {g.out, g.group_in(), g.kernel.h, g.kernel.w};
      default: return {g.batch, g.out, g.out_size.h, g.out_size.w};
    }
  }
  template <ConvSlot S, class V>
  V gradient_by(ConvSlot other_slot, const V& other, const V& here) const {
    const Values<V, 3> operands = other_slot < R ? Values<V, 3>{other, here} : Values<V, 3>{here, other};
    return dispatch(ConvMap<S>{g}, operands)[0];
  }
  template <class V>
  V bias_gradient(const V& gy) const {
    if constexpr (Plain<V> && R == ConvSlot::y) {
      V gb(Shape{g.out});
      conv2d_bias_gradient(device_t<V>{}, g, gy.data(), gb.data());
      return gb;
    } else {
      return sum(gy, {0, 2, 3});
    }
  }
};

namespace detail {

inline std::array<std::int64_t, 4> image_sizes(std::string_view op, std::string_view what, const Shape& s) {
  expect(s.rank() == 4, op, ": ", what, " is ", s, "; want 4 axes");
  return {s[0], s[1], s[2], s[3]};
}

}  // namespace detail

/// y[n, o, i, j] = b[o] + Σ_{c, k, l} w[o, c, k, l] x[n, c, i s − p + k d, j s − p + l d], zeros outside x.
///   x (n, in, h, w), weight (out, in / groups, kh, kw), bias (out) or undefined → (n, out, h', w')
template <Value X, Value W, Value B = W>
auto conv2d(const X& x, const W& weight, const B& bias = {}, const ConvSettings& settings = {}) {
  expect(x.defined() && weight.defined(), "conv2d: an undefined operand");
  const ConvGeometry g = conv_geometry(detail::image_sizes("conv2d", "x", x.shape()),
                                       detail::image_sizes("conv2d", "weight", weight.shape()), settings);
  expect(!bias.defined() || bias.shape() == Shape{g.out}, "conv2d: weight is ", weight.shape(), ", bias is ",
         bias.shape(), "; want (", g.out, ')');
  return dispatch_one(ConvMap<ConvSlot::y>{g}, x, weight, bias);
}

/// The adjoint of conv2d in its input, + bias: x (n, in, h, w), weight (in, out / groups, kh, kw), bias (out) or
/// undefined → (n, out, h', w') with h' = (h − 1) stride − 2 padding + dilation (kh − 1) + output_padding + 1.
template <Value X, Value W, Value B = W>
auto conv_transpose2d(const X& x, const W& weight, const B& bias = {}, const ConvSettings& settings = {},
                      Size2 output_padding = {}) {
  expect(x.defined() && weight.defined(), "conv_transpose2d: an undefined operand");
  const ConvGeometry g = conv_transpose_geometry(detail::image_sizes("conv_transpose2d", "x", x.shape()),
                                                 detail::image_sizes("conv_transpose2d", "weight", weight.shape()),
                                                 settings, output_padding);
  expect(!bias.defined() || bias.shape() == Shape{g.in}, "conv_transpose2d: weight is ", weight.shape(), ", bias is ",
         bias.shape(), "; want (", g.in, ')');
  return dispatch_one(ConvMap<ConvSlot::x>{g}, weight, x, bias);
}

}  // namespace tenzo
