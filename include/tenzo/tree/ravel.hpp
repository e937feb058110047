// A tree as one vector of numbers, in the order of its leaves, and back.
#pragma once

#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// All elements, leaf by leaf: (count_elements(x)).
template <Tree X>
leaf_t<X> ravel(const X& x) {
  using V = leaf_t<X>;
  V all(Shape{count_elements(x)});
  auto* to = all.data();
  for_each_leaf(
      [&](const Path&, const V& v) {
        copy_elements(device_t<V>{}, v.size(), v.data(), to);
        to += v.size();
      },
      x);
  return all;
}

/// A tree shaped like `like` of these elements.
template <Tree X>
X unravel(const leaf_t<X>& all, const X& like) {
  using V = leaf_t<X>;
  expect(all.size() == count_elements(like), "unravel: ", all.size(), " elements for a tree of ", count_elements(like));
  const auto* from = all.data();
  return map_tree<V>(like, [&](const V& v) {
    V part(v.shape());
    copy_elements(device_t<V>{}, part.size(), from, part.data());
    from += part.size();
    return part;
  });
}

}  // namespace tenzo
