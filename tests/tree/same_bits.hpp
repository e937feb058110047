// Trees that have to be alike to the bit.
#pragma once

#include <algorithm>

#include "tenzo/tree/tree.hpp"

namespace tenzo::test {

/// Whether all leaves have the same shapes and elements.
template <class M>
bool same_bits(const M& a, const M& b) {
  bool same = true;
  for_each_leaf(
      [&](const Path&, const auto& x, const auto& y) {
        same = same && x.shape() == y.shape() && std::equal(x.values().begin(), x.values().end(), y.values().begin());
      },
      a, b);
  return same;
}

}  // namespace tenzo::test
