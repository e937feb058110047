// Gated activations: the middle of the feed-forward layers of LLaMA and T5.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/activation.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo {

/// f(gate) · up in one pass, for an element-wise f of elementwise.hpp.
template <class F>
struct Gated {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "gated";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};
  F f;

  template <class V>
  Values<V, 1> compose(const Values<V, 2>& x) const {
    return {mul(dispatch(Unary<F>{f}, Values<V, 1>{x[0]})[0], x[1])};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    Tensor<T, D> y(x[0].shape());
    gated(D{}, GateShape::two_arrays(1, y.size()), x[0].data(), x[1].data(), y.data(), loop_body<D>());
    return {y};
  }
  template <class T, class D>
  void eval_over_(Tensor<T, D>& gate, const Tensor<T, D>& up) const {
    T* const y = gate.data();
    gated(D{}, GateShape::two_arrays(1, gate.size()), y, up.data(), y, loop_body<D>());
  }
  template <class T, class D>
  Values<Tensor<T, D>, 1> jvp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 2>& dx,
                              const Values<Tensor<T, D>, 1>&) const {
    Tensor<T, D> d;
    if (dx[0].defined()) {
      d = Tensor<T, D>(x[0].shape());
      map(D{}, d.size(), d.data(), fn::GateTangent<F>{f}, x[0].data(), x[1].data(), dx[0].data());
    }
    if (dx[1].defined()) d = plus(d, eval(Values<Tensor<T, D>, 2>{x[0], dx[1]})[0]);
    return {d};
  }
  template <class T, class D>
  Values<Tensor<T, D>, 2> vjp(const Values<Tensor<T, D>, 2>& x, const Values<Tensor<T, D>, 1>&,
                              const Values<Tensor<T, D>, 1>& gy, const Values<bool, 2>&) const {
    Values<Tensor<T, D>, 2> g{Tensor<T, D>(x[0].shape()), Tensor<T, D>(x[0].shape())};
    gated_backward(D{}, GateShape::two_arrays(1, g[0].size()), x[0].data(), x[1].data(), gy[0].data(), g[0].data(),
                   g[1].data(), loop_body<D>());
    return g;
  }

 private:
  template <class D>
  auto loop_body() const {
    if constexpr (!HostDevice<D>) return f;
    else if constexpr (std::is_same_v<F, fn::Silu>) return cpu::SiluLanes{};
    else return cpu::Lanewise<F>{f};
  }
};

/// silu(gate) · up (SwiGLU). Both of one shape. A gate that is given away is written over where its kind of value keeps
/// no record: the largest activation of a block is there once.
template <Value A, Value B>
auto silu_mul(const A& gate, const B& up) {
  expect(gate.shape() == up.shape(), "silu_mul: gate is ", gate.shape(), ", up is ", up.shape());
  return dispatch_one(Gated<fn::Silu>{}, gate, up);
}
template <Value V>
requires requires(V v) { Level<V>::apply_over(Gated<fn::Silu>{}, v, v); }
V silu_mul(V&& gate, const V& up) {
  expect(gate.shape() == up.shape(), "silu_mul: gate is ", gate.shape(), ", up is ", up.shape());
  return Level<V>::apply_over(Gated<fn::Silu>{}, std::move(gate), up);
}
/// gelu(gate) · up in the tanh form (GeGLU of T5 v1.1).
template <Value A, Value B>
auto gelu_tanh_mul(const A& gate, const B& up) {
  expect(gate.shape() == up.shape(), "gelu_tanh_mul: gate is ", gate.shape(), ", up is ", up.shape());
  return dispatch_one(Gated<fn::GeluTanh>{}, gate, up);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
