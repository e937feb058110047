// The function that is smoothed: a model, or any callable.
#pragma once

#include "tenzo/train/classifier.hpp"

namespace tenzo::smoothing {

/// What it says of a batch, for inputs of any value type: a tree as in deployment, lifted to its values; another
/// callable as it is.
template <class M, Value X>
auto base_output(const M& model, const X& x) {
  if constexpr (Tree<M>) return deployed_scores(model, x);
  else return model(x);
}

}  // namespace tenzo::smoothing
