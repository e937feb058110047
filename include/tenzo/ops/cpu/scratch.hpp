// Working memory of a kernel, from the caching pool.
#pragma once

#include "tenzo/core/pool.hpp"

namespace tenzo::cpu {

template <class T>
using Scratch = PoolArray<T>;

}  // namespace tenzo::cpu
