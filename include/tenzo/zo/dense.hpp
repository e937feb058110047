// Estimates on trees of tensors: steps along them in place, and the dense gradient that they stand for.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/tree/algebra.hpp"
#include "tenzo/zo/cpu/weights.hpp"
#include "tenzo/zo/estimate.hpp"

namespace tenzo::zo {

/// x ← x + Σ factor u on all leaves, in place.
template <Tree T>
void add_steps_(T& x, const std::vector<Step>& steps) {
  std::uint32_t leaf = 0;
  using V = leaf_t<T>;
  for_each_leaf(
      [&](const Path&, V& v) { add_steps_(device_t<V>{}, v.data(), v.matrix_rows(), v.matrix_cols(), leaf++, steps); },
      x);
}

/// x ← x − lr ĝ, in place.
///   Memory  none beside x: the directions are drawn again.
template <Tree T>
void descend_(T& x, const Estimate& g, double lr) {
  std::vector<Step> steps;
  for (const Slope& s : g.slopes) steps.push_back({s.direction, -lr * g.weight * s.value});
  add_steps_(x, steps);
}

/// ĝ itself, shaped like x: what optimizers with moments take.
template <Tree T>
T dense_gradient(const Estimate& g, const T& x) {
  T out = zeros_like(x);
  descend_(out, g, -1);
  return out;
}

}  // namespace tenzo::zo
