// Stored tensors are leaves of trees: a model as it lies in its file.
#pragma once

#include "tenzo/core/stored.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

template <>
struct IsLeaf<StoredTensor> : std::true_type {};

}  // namespace tenzo
