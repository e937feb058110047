// Structured pruning: scores of groups of weights, output channels above all, and masks of whole groups.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/ops/reduce.hpp"
#include "tenzo/prune/select.hpp"

namespace tenzo::prune {

/// What weights (out, in, kh, kw) or (out, in) are kept and pruned together.
///   output    all of an output channel or row      scores (out, 1, 1, 1)
///   input     all of an input channel or column    scores (1, in, 1, 1)
///   position  all of a place in the filters        scores (1, in, kh, kw)
///   kernel    the window from one input to one output   scores (out, in, 1, 1)
enum class Group { output, input, position, kernel };

namespace detail {

/// The axes over which the members of a group are summed.
inline Axes group_axes(const Shape& weight, Group group) {
  Axes axes;
  for (int i = 0; i < weight.rank(); ++i) {
    const bool own = group == Group::output     ? i == 0
                     : group == Group::input    ? i == 1
                     : group == Group::position ? i >= 1
                                                : i <= 1;
    if (!own) axes.push_back(i);
  }
  return axes;
}

}  // namespace detail

/// Scores of groups: √(mean s²) over their members, so that groups of layers of any size compare. With magnitudes it
/// is a filter's norm over the root of its size.
template <Tree S>
S group_scores(const S& scores, Group group) {
  using V = leaf_t<S>;
  return map_tree<V>(scores, [&](const Path& at, const V& s) {
    expect(s.rank() >= 2, "structured: the scores of ", at.str(), " are ", s.shape(), "; want (out, in, …)");
    const Axes axes = detail::group_axes(s.shape(), group);
    if (axes.count() == 0) return abs(s);
    return sqrt(mean(square(s), axes, true));
  });
}

/// The mask, expanded to all weights, of the groups of the largest scores.
///   Of n groups that compete ⌈ρ n⌉ are kept with Ties::exact, at most as many with Ties::strict. With Scope::per_leaf
///   every layer keeps its share; with Scope::global what it is worth.
///   Throws    ValueError where a layer would be emptied.
///   scores    of weights, as the functions of scores.hpp give them
template <Tree S>
Mask<S> structured_mask(const S& scores, Group group, const Cut& cut) {
  using U = Tensor<std::uint8_t>;
  require(cut.scope != Scope::per_row, "structured: groups compete within a leaf or over all, not within a row");
  const auto groups = largest(group_scores(scores, group), cut);
  const Mask<S> mask = map_tree<U>(
      scores, [](const auto& s, const U& g) { return expand_to(g, s.shape()); }, groups);
  require_every_layer("structured", mask);
  return mask;
}

}  // namespace tenzo::prune
