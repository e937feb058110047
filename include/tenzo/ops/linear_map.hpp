// Linear maps: one pair of functions, x → A x and y → Aᵀ y, makes a primitive that differentiates in every mode.
#pragma once

#include <string_view>

#include "tenzo/ops/value.hpp"

namespace tenzo {

template <class F>
struct AdjointMap;

/// y = A x for a linear F with
///   name, Shape in, out
///   apply(D, const T* x, T* y), adjoint(D, const T* gy, T* gx)    on a device D; each writes all of its result
/// or, where nothing is to be computed, view(x) → y and adjoint_view(gy) → gx.
template <class F>
struct LinearMap {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = F::name;
  static constexpr bool reads_inputs[] = {false}, reads_outputs[] = {false};
  F f;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& x) const {
    if constexpr (requires { f.view(x[0]); }) {
      return {f.view(x[0])};
    } else {
      Tensor<T, D> y(f.out);
      f.apply(D{}, x[0].data(), y.data());
      return {y};
    }
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>&, const Values<V, 1>& dx, const Values<V, 1>&) const {
    return dispatch(*this, dx);
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, 1>&, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return dispatch(AdjointMap<F>{f}, gy);
  }
};

/// x = Aᵀ y for the same F.
template <class F>
struct AdjointMap {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = F::name;
  static constexpr bool reads_inputs[] = {false}, reads_outputs[] = {false};
  F f;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 1>& y) const {
    if constexpr (requires { f.adjoint_view(y[0]); }) {
      return {f.adjoint_view(y[0])};
    } else {
      Tensor<T, D> x(f.in);
      f.adjoint(D{}, y[0].data(), x.data());
      return {x};
    }
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>&, const Values<V, 1>& dy, const Values<V, 1>&) const {
    return dispatch(*this, dy);
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, 1>&, const Values<V, 1>& gx, const Values<bool, 1>&) const {
    return dispatch(LinearMap<F>{f}, gx);
  }
};

/// Applies the linear map F to a value.
template <class F, Value V>
V apply_linear(const F& f, const V& x) {
  return dispatch(LinearMap<F>{f}, Values<V, 1>{x})[0];
}

}  // namespace tenzo
