// Layer norm and RMS norm of rows, on a GPU. Each does what its namesake in ops/cpu does; kernels/norm.cuh defines
// them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

template <Real T>
void layer_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                T* mean, T* rstd);
template <Real T>
void layer_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb);
template <Real T>
void rms_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, double eps, T* y, T* rstd);
template <Real T>
void rms_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* rstd,
                       const T* gy, T* gx, T* gw);

}  // namespace tenzo::cuda
