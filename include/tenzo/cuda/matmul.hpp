// Matrix products, on a GPU. Each does what its namesake in ops/cpu does; kernels/matmul.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/matmul.hpp"

namespace tenzo::cuda {

template <Real T>
void matmul(Device, const MatMulShape& s, const T* a, const T* b, T* c);
template <Real T>
void affine(Device, std::int64_t rows, std::int64_t k, std::int64_t n, bool in_out, const T* x, const T* weight,
            const T* bias, T* y);

}  // namespace tenzo::cuda
