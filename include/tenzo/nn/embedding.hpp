// A table of vectors.
#pragma once

#include "tenzo/ops/index.hpp"

namespace tenzo {

/// Row ids[i] of the table for every i.
template <class V>
struct Embedding {
  V weight;  // (entries, features)

  static void visit(auto&& f, auto&... self) { f("weight", self.weight...); }

  V operator()(const Tensor<std::int64_t>& ids) const { return embedding(weight, ids); }  // s -> s + (features)
};

}  // namespace tenzo
