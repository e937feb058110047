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
  template <class T>
  Values<Tensor<T>, 1> eval(const Values<Tensor<T>, 2>& x) const {
    Tensor<T> y(x[0].shape());
    cpu::gated(cpu::GateShape::two_arrays(1, y.size()), x[0].data(), x[1].data(), y.data(), lanes());
    return {y};
  }
  template <class T>
  void eval_over_(Tensor<T>& gate, const Tensor<T>& up) const {
    T* const y = gate.data();
    cpu::gated(cpu::GateShape::two_arrays(1, gate.size()), y, up.data(), y, lanes());
  }
  template <class T>
  Values<Tensor<T>, 1> jvp(const Values<Tensor<T>, 2>& x, const Values<Tensor<T>, 2>& dx,
                           const Values<Tensor<T>, 1>&) const {
    Tensor<T> d;
    if (dx[0].defined()) {
      d = Tensor<T>(x[0].shape());
      cpu::map(
          d.size(), d.data(), [f = f](T g, T u, T dg) { return f.slope(g, f(g)) * u * dg; }, x[0].data(), x[1].data(),
          dx[0].data());
    }
    if (dx[1].defined()) d = plus(d, eval(Values<Tensor<T>, 2>{x[0], dx[1]})[0]);
    return {d};
  }
  template <class T>
  Values<Tensor<T>, 2> vjp(const Values<Tensor<T>, 2>& x, const Values<Tensor<T>, 1>&, const Values<Tensor<T>, 1>& gy,
                           const Values<bool, 2>&) const {
    Values<Tensor<T>, 2> g{Tensor<T>(x[0].shape()), Tensor<T>(x[0].shape())};
    cpu::gated_backward(cpu::GateShape::two_arrays(1, g[0].size()), x[0].data(), x[1].data(), gy[0].data(), g[0].data(),
                        g[1].data(), lanes());
    return g;
  }

 private:
  auto lanes() const {
    if constexpr (std::is_same_v<F, fn::Silu>) return cpu::SiluLanes{};
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
