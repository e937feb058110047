// Rotary position embedding, on a GPU. Each does what its namesake in ops/cpu does; kernels/rope.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/rope.hpp"

namespace tenzo::cuda {

template <Real T>
void rope(Device, const RopeShape& s, const T* cos_table, const T* sin_table, const std::int64_t* positions, const T* x,
          T* y);

}  // namespace tenzo::cuda
