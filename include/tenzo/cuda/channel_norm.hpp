// Batch norm and group norm of images, on a GPU. Each does what its namesake in ops/cpu does; kernels/channel_norm.cuh
// defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/channels.hpp"

namespace tenzo::cuda {

template <Real T>
void batch_statistics(Device, const Channels& s, const T* x, T* mean, T* variance);
template <Real T>
void batch_norm(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight, const T* bias,
                double eps, T* y);
template <Real T>
void batch_norm_backward(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight,
                         double eps, bool own_statistics, const T* gy, T* gx, T* gw, T* gb);
template <Real T>
void group_norm(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* bias, double eps,
                T* y, T* mean, T* rstd);
template <Real T>
void group_norm_backward(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb);

}  // namespace tenzo::cuda
