// Complex numbers in differentiation: real tensors with a last axis of two, real and imaginary part.
//
// Gradients follow from that form: of a real loss by z = a + bi they are d/da + i d/db.
#pragma once

#include <complex>
#include <memory>
#include <string_view>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

/// The same memory as real numbers with a last axis of two, and back; nothing is copied.
template <Real T, class D>
Tensor<T, D> as_real(const Tensor<std::complex<T>, D>& z) {
  Shape shape = z.shape();
  shape.push_back(2);
  auto keep = std::make_shared<Tensor<std::complex<T>, D>>(z);
  T* data = reinterpret_cast<T*>(keep->data());
  return Tensor<T, D>::borrow(data, shape, std::move(keep));
}
template <Real T, class D>
Tensor<std::complex<T>, D> as_complex(const Tensor<T, D>& z) {
  expect(z.rank() > 0 && z.dim(-1) == 2, "as_complex: ", z.shape(), "; want a last axis of two");
  auto keep = std::make_shared<Tensor<T, D>>(z);
  auto* data = reinterpret_cast<std::complex<T>*>(keep->data());
  return Tensor<std::complex<T>, D>::borrow(data, z.shape().without(-1), std::move(keep));
}

namespace detail {

inline void expect_complex(std::string_view op, const Shape& s) {
  expect(s.rank() > 0 && s.dim(-1) == 2, op, ": ", s, "; want a last axis of two");
}

}  // namespace detail

/// The conjugate: its own adjoint.
struct ComplexConjugate {
  static constexpr std::string_view name = "complex_conj";
  Shape in, out;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    map(device, in.numel() / 2, reinterpret_cast<std::complex<T>*>(y), fn::Conjugate{},
        reinterpret_cast<const std::complex<T>*>(x));
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    apply(device, gy, gx);
  }
};

template <Value V>
V complex_conj(const V& z) {
  detail::expect_complex("complex_conj", z.shape());
  return apply_linear(ComplexConjugate{z.shape(), z.shape()}, z);
}

/// a · b, each conjugated first where asked; broadcasts. With the two flags the product is closed under
/// differentiation.
struct ComplexMul {
  static constexpr std::size_t inputs = 2, outputs = 1;
  static constexpr std::string_view name = "complex_mul";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};
  bool conj_a = false, conj_b = false;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    const Tensor<std::complex<T>, D> a = as_complex(x[0]), b = as_complex(x[1]);
    const fn::ComplexProduct<T> product{conj_a ? T(-1) : T(1), conj_b ? T(-1) : T(1)};
    return {as_real(detail::broadcast_map(broadcast_shapes(a.shape(), b.shape()), a, b, product))};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>& y) const {
    V d;
    if (dx[0].defined()) d = expand_to(dispatch(*this, Values<V, 2>{dx[0], x[1]})[0], y[0].shape());
    if (dx[1].defined()) d = plus(d, expand_to(dispatch(*this, Values<V, 2>{x[0], dx[1]})[0], y[0].shape()));
    return {d};
  }
  // By a: gy · conj(b) where a entered as it is, conj(gy) · b where it was conjugated; likewise by b.
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    const auto by = [&](bool own, const V& other, bool conj_other, const Shape& shape) {
      return sum_to(dispatch(ComplexMul{own, own == conj_other}, Values<V, 2>{gy[0], other})[0], shape);
    };
    if (need[0]) g[0] = by(conj_a, x[1], conj_b, x[0].shape());
    if (need[1]) g[1] = by(conj_b, x[0], conj_a, x[1].shape());
    return g;
  }
};

/// a · b of complex numbers; all axes but the last broadcast.
template <Value A, Value B>
auto complex_mul(const A& a, const B& b) {
  detail::expect_complex("complex_mul", a.shape());
  detail::expect_complex("complex_mul", b.shape());
  return dispatch_one(ComplexMul{}, a, b);
}
/// conj(a) · b.
template <Value A, Value B>
auto complex_conj_mul(const A& a, const B& b) {
  detail::expect_complex("complex_conj_mul", a.shape());
  detail::expect_complex("complex_conj_mul", b.shape());
  return dispatch_one(ComplexMul{true, false}, a, b);
}

/// |z| = √(re² + im²), without the last axis. The derivative at zero counts as zero.
struct ComplexAbs {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "complex_abs";

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& z) const {
    Tensor<T, D> y(z[0].shape().without(-1));
    map(D{}, y.size(), y.data(), fn::Magnitude{}, reinterpret_cast<const std::complex<T>*>(z[0].data()));
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>& z, const Values<V, 1>& dz, const Values<V, 1>& y) const {
    return {sum(mul(unit(z[0], y[0]), dz[0]), -1)};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& z, const Values<V, 1>& y, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return {mul(unit(z[0], y[0]), unsqueeze(gy[0], -1))};
  }

 private:
  /// z / |z|, zero at zero.
  template <class V>
  static V unit(const V& z, const V& y) {
    plain_t<V> at_zero(y.shape());
    map(device_t<V>{}, at_zero.size(), at_zero.data(), fn::IsZero{}, plain(y).data());
    return div(z, unsqueeze(add(y, at_zero), -1));
  }
};

template <Value V>
V complex_abs(const V& z) {
  detail::expect_complex("complex_abs", z.shape());
  return dispatch(ComplexAbs{}, Values<V, 1>{z})[0];
}

/// Real and imaginary part, without the last axis; and the number that they make.
template <Value V>
V complex_real(const V& z) {
  detail::expect_complex("complex_real", z.shape());
  return squeeze(slice(z, -1, 0, 1), -1);
}
template <Value V>
V complex_imag(const V& z) {
  detail::expect_complex("complex_imag", z.shape());
  return squeeze(slice(z, -1, 1, 2), -1);
}

}  // namespace tenzo
