// 2-D pooling, on a GPU. Each does what its namesake in ops/cpu does; kernels/pool.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/pool.hpp"

namespace tenzo::cuda {

template <Real T>
void max_pool2d(Device, const PoolGeometry& g, const T* x, T* y, std::int32_t* index);
template <Real T>
void take_in_planes(Device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane,
                    const std::int32_t* index, const T* x, T* y);
template <Real T>
void put_in_planes(Device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane,
                   const std::int32_t* index, const T* dy, T* dx);
template <Real T>
void mean_pool2d(Device, const PoolGeometry& g, const T* x, T* y);
template <Real T>
void mean_pool2d_adjoint(Device, const PoolGeometry& g, const T* dy, T* dx);
template <Real T>
void adaptive_mean_pool2d(Device, std::int64_t planes, Size2 in, Size2 out, const T* x, T* y);
template <Real T>
void adaptive_mean_pool2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, const T* dy, T* dx);

}  // namespace tenzo::cuda
