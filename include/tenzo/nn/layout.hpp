// How weights lie: most are (out, in, …), those of some linear layers (in, out).
#pragma once

#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace detail {

template <class A>
void gather_layouts(const A& a, bool in_out, std::vector<bool>& layouts) {
  if constexpr (IsLeaf<A>::value) {
    if (a.defined()) layouts.push_back(in_out);
  } else if constexpr (IsVector<A>::value) {
    for (const auto& each : a) gather_layouts(each, false, layouts);
  } else if constexpr (IsTuple<A>::value) {
    std::apply([&](const auto&... each) { (gather_layouts(each, false, layouts), ...); }, a);
  } else if constexpr (Visitable<A>) {
    A::visit(
        [&](std::string_view name, const auto& member) {
          bool turned = false;
          if constexpr (requires { a.in_out; }) turned = name == "weight" && a.in_out;
          gather_layouts(member, turned, layouts);
        },
        a);
  }
}

}  // namespace detail

/// Whether a leaf is a weight that is stored (in, out), for all defined leaves in the tree's order. The layer says so
/// by its setting `in_out`.
template <Tree M>
std::vector<bool> in_out_leaves(const M& model) {
  std::vector<bool> layouts;
  detail::gather_layouts(model, false, layouts);
  return layouts;
}

}  // namespace tenzo
