// How many multiply-adds a forward pass takes. A value type counts them, so that models need no hooks.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "tenzo/ops/conv.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace prune {

/// A tensor, and where to add what its products cost.
template <Plain V>
struct Counted {
  V value;
  std::int64_t* operations = nullptr;

  bool defined() const { return value.defined(); }
  const Shape& shape() const { return value.shape(); }
};

}  // namespace prune

template <class V>
struct Level<prune::Counted<V>> {
  using Counted = prune::Counted<V>;
  static constexpr int depth = 1;
  using scalar = scalar_t<V>;
  using plain = V;
  static const plain& core(const Counted& v) { return v.value; }

  template <Value U>
  static Counted lift(const U& u) {
    return {u};
  }

  template <class P, std::size_t N>
  static Values<Counted, P::outputs> apply(const P& p, const Values<Counted, N>& x) {
    Values<V, N> value;
    std::int64_t* to = nullptr;
    for (std::size_t i = 0; i < N; ++i) {
      value[i] = x[i].value;
      if (x[i].operations) to = x[i].operations;
    }
    Values<V, P::outputs> y = dispatch<P, V>(p, value);
    if constexpr (std::is_same_v<P, Affine>) {
      if (to) *to += y[0].size() * x[0].shape()[1];
    } else if constexpr (std::is_same_v<P, ConvMap<ConvSlot::y>>) {
      if (to) *to += y[0].size() * p.g.group_in() * p.g.taps();
    }
    Values<Counted, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k) out[k] = {std::move(y[k]), to};
    return out;
  }
};

namespace prune {

/// Multiply-adds of the linear layers and convolutions of a model on these samples, zeros and padding included.
template <Tree M, Plain V>
std::int64_t operations(const M& model, const V& samples) {
  std::int64_t count = 0;
  const auto counted = map_tree<Counted<V>>(model, [&](const V& w) { return Counted<V>{w, &count}; });
  counted(Counted<V>{samples});
  return count;
}

}  // namespace prune
}  // namespace tenzo
