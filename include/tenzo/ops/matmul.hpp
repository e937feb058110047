// Matrix products: batched with broadcasting, and the linear layer's y = x Wᵀ + b.
#pragma once

#include <string_view>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/cpu/matmul.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/ops/shapes/matmul.hpp"

namespace tenzo {

/// C = op(A) op(B) over batches: (..., m, k) · (..., k, n) → (..., m, n); op transposes the last two axes where asked.
///   Batch axes broadcast. Every element is one chain of fused multiply-adds in the order of k.
struct MatMul {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "matmul";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};
  bool ta = false, tb = false;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    const MatMulShape s(x[0].shape(), x[1].shape(), ta, tb);
    Tensor<T, D> c(s.out());
    matmul(D{}, s, x[0].data(), x[1].data(), c.data());
    return {c};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>&) const {
    V d;
    if (dx[0].defined()) d = dispatch(*this, Values<V, 2>{dx[0], x[1]})[0];
    if (dx[1].defined()) d = plus(d, dispatch(*this, Values<V, 2>{x[0], dx[1]})[0]);
    return {d};
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    if (need[0]) {
      g[0] = ta ? dispatch(MatMul{tb, true}, Values<V, 2>{x[1], gy[0]})[0]
                : dispatch(MatMul{false, !tb}, Values<V, 2>{gy[0], x[1]})[0];
      g[0] = sum_to(g[0], x[0].shape());
    }
    if (need[1]) {
      g[1] = tb ? dispatch(MatMul{true, ta}, Values<V, 2>{gy[0], x[0]})[0]
                : dispatch(MatMul{!ta, false}, Values<V, 2>{x[0], gy[0]})[0];
      g[1] = sum_to(g[1], x[1].shape());
    }
    return g;
  }
};

/// op(a) · op(b) over the last two axes; the leading axes are batches and broadcast.
template <Value A, Value B>
auto matmul(const A& a, const B& b, bool transpose_a = false, bool transpose_b = false) {
  expect(a.defined() && b.defined(), "matmul: an undefined operand");
  expect(a.shape().rank() >= 2 && b.shape().rank() >= 2, "matmul: ", a.shape(), " · ", b.shape(), "; want matrices");
  return dispatch_one(MatMul{transpose_a, transpose_b}, a, b);
}

/// y = x Wᵀ + b over rows: x (n, in), W (out, in) or, `in_out`, (in, out), b (out) or undefined → (n, out).
struct Affine {
  static constexpr std::size_t inputs = 3, outputs = 1;
  static constexpr std::string_view name = "linear";
  static constexpr bool reads_inputs[] = {true, true, false}, reads_outputs[] = {false};
  bool in_out = false;  // W is stored (in, out)

  std::int64_t features_out(const Shape& w) const { return w.dim(in_out ? 1 : 0); }

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 3>& x) const {
    const std::int64_t n = x[0].dim(0), k = x[0].dim(1), m = features_out(x[1].shape());
    Tensor<T, D> y(Shape{n, m});
    affine(D{}, n, k, m, in_out, x[0].data(), x[1].data(), x[2].data(), y.data());
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 3>& x, const Values<V, 3>& dx, const Values<V, 1>& y) const {
    V d;
    if (dx[0].defined()) d = dispatch(*this, Values<V, 3>{dx[0], x[1], V{}})[0];
    if (dx[1].defined()) d = plus(d, dispatch(*this, Values<V, 3>{x[0], dx[1], V{}})[0]);
    if (dx[2].defined()) d = plus(d, expand_to(dx[2], y[0].shape()));
    return {d};
  }
  template <class V>
  Values<V, 3> vjp(const Values<V, 3>& x, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 3>& need) const {
    Values<V, 3> g;
    if (need[0]) g[0] = dispatch(MatMul{false, in_out}, Values<V, 2>{gy[0], x[1]})[0];
    if (need[1]) {
      g[1] = in_out ? dispatch(MatMul{true, false}, Values<V, 2>{x[0], gy[0]})[0]
                    : dispatch(MatMul{true, false}, Values<V, 2>{gy[0], x[0]})[0];
    }
    if (need[2]) g[2] = sum_to(gy[0], Shape{gy[0].shape()[1]});
    return g;
  }
};

/// y = x Wᵀ + b: x (..., in), W (out, in), b (out) or undefined → (..., out). With `in_out`, W is (in, out).
template <Value X, Value W, Value B>
auto linear(const X& x, const W& weight, const B& bias, bool in_out = false) {
  expect(x.defined() && weight.defined(), "linear: an undefined operand");
  const Shape sx = x.shape(), sw = weight.shape();
  expect(sx.rank() >= 1 && sw.rank() == 2 && sx.dim(-1) == sw[in_out ? 0 : 1], "linear: x is ", sx, ", weight is ", sw,
         "; want x (..., ", sw.rank() == 2 ? sw[in_out ? 0 : 1] : 0, ")");
  const std::int64_t out = sw[in_out ? 1 : 0];
  expect(!bias.defined() || bias.shape() == Shape{out}, "linear: weight is ", sw, ", bias is ", bias.shape());
  if (sx.rank() == 2) return dispatch_one(Affine{in_out}, x, weight, bias);
  const auto y = dispatch_one(Affine{in_out}, reshape(x, Shape{sx.outer(sx.rank() - 1), sx.dim(-1)}), weight, bias);
  return reshape(y, sx.with(-1, out));
}
template <Value X, Value W>
auto linear(const X& x, const W& weight) {
  return linear(x, weight, W{});
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
