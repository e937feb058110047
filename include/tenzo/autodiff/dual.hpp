// Dual numbers: forward-mode differentiation.
#pragma once

#include <utility>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo {

/// value + tangent · ε with ε² = 0. An undefined tangent is zero and costs nothing.
template <class V>
struct Dual {
  V value;
  V tangent;

  bool defined() const { return value.defined(); }
  const Shape& shape() const { return value.shape(); }
};

template <class V>
struct Level<Dual<V>> {
  static constexpr int depth = Level<V>::depth + 1;
  using scalar = scalar_t<V>;
  using plain = plain_t<V>;
  static const plain& core(const Dual<V>& v) { return tenzo::plain(v.value); }

  template <Value U>
  static Dual<V> lift(const U& u) {
    return {tenzo::lift<V>(u), V{}};
  }

  template <class P, std::size_t N>
  static Values<Dual<V>, P::outputs> apply(const P& p, const Values<Dual<V>, N>& x) {
    Values<V, N> value, tangent;
    bool constant = true;
    for (std::size_t i = 0; i < N; ++i) {
      value[i] = x[i].value;
      tangent[i] = x[i].tangent;
      constant = constant && !tangent[i].defined();
    }
    constexpr bool has_rule = requires(Values<V, P::outputs> y) { p.jvp(value, tangent, y); };
    if constexpr (Composite<P, Dual<V>, N> && (depth > 1 || !has_rule)) {
      if (!constant) return p.compose(x);
    }
    Values<V, P::outputs> y = dispatch<P, V>(p, value), dy;
    if constexpr (has_rule) {
      if (!constant) dy = p.jvp(value, tangent, y);
    }
    Values<Dual<V>, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k) out[k] = {std::move(y[k]), std::move(dy[k])};
    return out;
  }
};

}  // namespace tenzo
