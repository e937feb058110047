// Softmax cross entropy over many classes, on a GPU. Each does what its namesake in ops/cpu does;
// kernels/cross_entropy.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/cross_entropy.hpp"

namespace tenzo::cuda {

template <Real T>
void cross_entropy(Device, std::int64_t rows, std::int64_t classes, const T* x, const std::int64_t* labels,
                   const CrossEntropyTarget& options, T* loss, T* lse);
template <Real T>
void cross_entropy_backward(Device, std::int64_t rows, std::int64_t classes, const T* x, const std::int64_t* labels,
                            const CrossEntropyTarget& options, const T* lse, const T* g, std::int64_t g_step, T* gx);

}  // namespace tenzo::cuda
