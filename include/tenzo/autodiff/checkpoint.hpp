// Checkpointing: a part of a computation that is computed again in the backward pass instead of being kept.
#pragma once

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenzo/autodiff/dual.hpp"
#include "tenzo/autodiff/var.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace detail {

template <class V>
struct IsVar : std::false_type {};
template <class V>
struct IsVar<Var<V>> : std::true_type {};

/// The tree with f(v) for each leaf v of type V; a tree of other leaves, which are constants, as it is.
template <class V, class W, Tree T, class F>
auto map_level(const T& tree, F&& f) {
  if constexpr (std::is_same_v<leaf_t<T>, V>) return map_tree<W>(tree, f);
  else return tree;
}

/// One checkpointed call: its inputs, and the function that is called again on a tape of its own.
template <class F, class V, class... Trees>
struct Checkpointed final : Tape<V>::Record {
  F f;
  std::tuple<Trees...> inputs;
  std::uint32_t to = 0;

  Checkpointed(const F& function, const Trees&... trees) : f(function), inputs(trees...) {}

  void pull(typename Tape<V>::Cotangents& g) const override {
    V gy = g.take(to);
    if (!gy.defined()) return;
    Tape<V> tape;
    const auto leaf = [&](const Var<V>& v) { return v.tape ? tape.leaf(v.value) : Var<V>{v.value}; };
    std::apply(
        [&](const Trees&... outer) {
          const std::tuple<Trees...> inner{map_level<Var<V>, Var<V>>(outer, leaf)...};
          const Var<V> y = std::apply(f, inner);
          auto own = tape.backward(y, std::move(gy));
          std::apply([&](const Trees&... again) { (hand_on(g, own, outer, again), ...); }, inner);
        },
        inputs);
  }

 private:
  template <class T>
  static void hand_on(typename Tape<V>::Cotangents& g, typename Tape<V>::Cotangents& own, const T& outer,
                      const T& again) {
    if constexpr (std::is_same_v<leaf_t<T>, Var<V>>) {
      for_each_leaf(
          [&](const Path&, const Var<V>& v, const Var<V>& w) {
            if (v.tape) g.add(v.id, own.take(w.id));
          },
          outer, again);
    }
  }
};

template <class V, class F, class... Trees>
Var<V> checkpoint_recorded(const F& f, const Trees&... inputs);

}  // namespace detail

/// f(inputs...), a value, of which the tape keeps the inputs only: the backward pass calls f again.
///   f        computes from its arguments alone (no recorded values in its captures), and is generic over their level
///   inputs   trees of values, the deepest of one type; less deep ones are constants
///   Cost     one more call of f a level of reverse mode.   Memory   the inputs, and f's own while it is
///   differentiated.
template <class F, Tree... Trees>
auto checkpoint(const F& f, const Trees&... inputs) {
  using V = typename detail::PromotedAll<leaf_t<Trees>...>::type;
  if constexpr (detail::IsVar<V>::value) return detail::checkpoint_recorded<decltype(V::value)>(f, inputs...);
  else return f(inputs...);
}

namespace detail {

template <class V, class F, class... Trees>
Var<V> checkpoint_recorded(const F& f, const Trees&... inputs) {
  Tape<V>* tape = nullptr;
  const auto find = [&](const Path&, const auto& v) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, Var<V>>) {
      if (!v.tape) return;
      if (tape && tape != v.tape) throw Error("checkpoint: inputs of two different tapes");
      tape = v.tape;
    }
  };
  (for_each_leaf(find, inputs), ...);
  const auto value_of = [](const Var<V>& v) { return v.value; };
  auto y = checkpoint(f, map_level<Var<V>, V>(inputs, value_of)...);
  static_assert(std::is_same_v<decltype(y), V>,
                "tenzo: a checkpointed function must compute one value from its arguments alone, at their level");
  if (!tape) return {std::move(y)};
  auto record = std::make_unique<Checkpointed<F, V, Trees...>>(f, inputs...);
  record->to = tape->new_ids(1);
  const std::uint32_t id = record->to;
  tape->push(std::move(record));
  return {std::move(y), tape, id};
}

}  // namespace detail

}  // namespace tenzo
