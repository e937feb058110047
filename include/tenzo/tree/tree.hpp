// Models as trees of named values. A model is a struct template over its value type with one function
//
//   static void visit(auto&& f, auto&... self) { f("weight", self.weight...); f("bias", self.bias...); }
//
// over any number of models at once, that names its members in order, settings included. A value alone, a vector, an
// array, a pair and a tuple of trees are trees too.
#pragma once

#include <array>
#include <concepts>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/ops/value.hpp"

namespace tenzo {

/// Where in a tree a leaf stands; a chain of names that is written out only when somebody asks.
struct Path {
  const Path* parent = nullptr;
  std::string_view name;
  std::int64_t index = -1;  // position in a list, where there is no name

  /// "layers.0.weight"; empty for the root. Members named "" add nothing.
  std::string str() const {
    std::string s = parent ? parent->str() : std::string();
    const std::string own = index >= 0 ? std::to_string(index) : std::string(name);
    if (!s.empty() && !own.empty()) s += '.';
    return s + own;
  }
};

/// Leaves of trees: values, and whatever else says so (a tensor in its stored format).
template <class T>
struct IsLeaf : std::bool_constant<Value<T>> {};

namespace detail {

struct AnyVisitor {
  template <class... M>
  void operator()(std::string_view, M&...) const {}
};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsTuple : std::false_type {};
template <class... T>
struct IsTuple<std::tuple<T...>> : std::true_type {};
template <class A, class B>
struct IsTuple<std::pair<A, B>> : std::true_type {};
template <class T, std::size_t N>
struct IsTuple<std::array<T, N>> : std::true_type {};

template <class T>
concept Visitable = requires(T& t) {
  std::remove_const_t<T>::visit(AnyVisitor{}, t);
};

template <class T>
concept ListTree = IsVector<std::remove_const_t<T>>::value;

template <class T>
concept TupleTree = IsTuple<std::remove_const_t<T>>::value;

}  // namespace detail

/// A leaf, or something made of trees.
template <class T>
concept Tree =
    IsLeaf<std::remove_const_t<T>>::value || detail::Visitable<T> || detail::ListTree<T> || detail::TupleTree<T>;

/// The tree T with its values replaced by W's: M<V> → M<W>.
template <class W, class T>
struct Rebind {
  using type = T;  // a setting
};
template <class W, class T>
using rebind_t = typename Rebind<W, T>::type;

template <class W, class V>
requires IsLeaf<V>::value struct Rebind<W, V> {
  using type = W;
};
template <class W, template <class> class M, class V>
requires(IsLeaf<V>::value && !IsLeaf<M<V>>::value) struct Rebind<W, M<V>> {
  using type = M<W>;
};
template <class W, class T>
struct Rebind<W, std::vector<T>> {
  using type = std::vector<rebind_t<W, T>>;
};
template <class W, class T, std::size_t N>
struct Rebind<W, std::array<T, N>> {
  using type = std::array<rebind_t<W, T>, N>;
};
template <class W, class A, class B>
struct Rebind<W, std::pair<A, B>> {
  using type = std::pair<rebind_t<W, A>, rebind_t<W, B>>;
};
template <class W, class... T>
struct Rebind<W, std::tuple<T...>> {
  using type = std::tuple<rebind_t<W, T>...>;
};

namespace detail {

template <class A>
auto& first_of(A& a, auto&...) {
  return a;
}

/// Walks trees of one form side by side: f(path, leaf...), s(first, other) where a member is no tree.
template <class F, class S, class A, class... B>
void walk(const Path& at, F& f, S& s, A& a, B&... b) {
  using T = std::remove_const_t<A>;
  if constexpr (IsLeaf<T>::value) {
    f(at, a, b...);
  } else if constexpr (IsVector<T>::value) {
    const auto grow = [&](auto& other) {
      if constexpr (!std::is_const_v<std::remove_reference_t<decltype(other)>>) {
        if (other.size() < a.size()) other.resize(a.size());
      }
      expect(other.size() == a.size(), "tree: ", at.str(), " has ", a.size(), " and ", other.size(), " entries");
    };
    (grow(b), ...);
    for (std::size_t i = 0; i < a.size(); ++i) walk(Path{&at, {}, std::int64_t(i)}, f, s, a[i], b[i]...);
  } else if constexpr (IsTuple<T>::value) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (
          [&] {
            constexpr std::size_t i = I;
            walk(Path{&at, {}, std::int64_t(i)}, f, s, std::get<i>(a), std::get<i>(b)...);
          }(),
          ...);
    }
    (std::make_index_sequence<std::tuple_size_v<T>>{});
  } else if constexpr (Visitable<A>) {
    T::visit([&](std::string_view name, auto& m, auto&... n) { walk(Path{&at, name}, f, s, m, n...); }, a, b...);
  } else {
    (s(a, b), ...);
  }
}

/// Copies settings into the trees that are built.
struct CopySettings {
  template <class A, class B>
  void operator()(const A& from, B& to) const {
    if constexpr (!std::is_const_v<B> && std::is_assignable_v<B&, const A&>) to = from;
  }
};
struct LeaveSettings {
  void operator()(const auto&, auto&) const {}
};

}  // namespace detail

/// Calls f(path, leaf of the first, leaves of the others...) for all leaves that are defined in the first tree, in
/// order. Lists in the others must be as long as in the first; those of trees that may be written grow to that.
template <class F, Tree A, Tree... B>
void for_each_leaf(F&& f, A& a, B&... b) {
  detail::LeaveSettings keep;
  auto defined_only = [&](const Path& at, auto& x, auto&... y) {
    if (x.defined()) f(at, x, y...);
  };
  detail::walk(Path{}, defined_only, keep, a, b...);
}

/// The tree of the f(leaf...) of trees of one form. Where the first leaf is undefined the result is an undefined W.
template <class W, Tree A, class F, Tree... B>
rebind_t<W, std::remove_const_t<A>> map_tree(const A& a, F&& f, const B&... b) {
  rebind_t<W, std::remove_const_t<A>> out;
  auto leaf = [&](const Path& path, const auto& x, auto& to, const auto&... y) {
    if (!x.defined()) to = W{};
    else if constexpr (requires { f(path, x, y...); }) to = f(path, x, y...);
    else to = f(x, y...);
  };
  detail::CopySettings copy;
  detail::walk(Path{}, leaf, copy, a, out, b...);
  return out;
}

/// Number of elements in all leaves.
template <Tree A>
std::int64_t count_elements(const A& a) {
  std::int64_t n = 0;
  for_each_leaf([&](const Path&, const auto& x) { n += x.shape().numel(); }, a);
  return n;
}

namespace detail {
template <class T>
struct LeafType;
template <class V>
requires IsLeaf<V>::value struct LeafType<V> {
  using type = V;
};
template <template <class> class M, class V>
requires(IsLeaf<V>::value && !IsLeaf<M<V>>::value) struct LeafType<M<V>> {
  using type = V;
};
template <class T>
struct LeafType<std::vector<T>> : LeafType<T> {};
template <class T, std::size_t N>
struct LeafType<std::array<T, N>> : LeafType<T> {};
template <class A, class B>
struct LeafType<std::pair<A, B>> : LeafType<A> {};
template <class A, class... B>
struct LeafType<std::tuple<A, B...>> : LeafType<A> {};
}  // namespace detail

/// The type of a tree's leaves.
template <Tree T>
using leaf_t = typename detail::LeafType<std::remove_const_t<T>>::type;

}  // namespace tenzo
