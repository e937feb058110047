// 2-D convolution and its gradients, on a GPU. Each does what its namesake in ops/cpu does; kernels/conv.cuh defines
// them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo::cuda {

template <Real T>
void conv2d(Device, const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y);
template <Real T>
void conv2d_input_gradient(Device, const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx);
template <Real T>
void conv2d_weight_gradient(Device, const ConvGeometry& g, const T* x, const T* dy, T* dw);
template <Real T>
void conv2d_bias_gradient(Device, const ConvGeometry& g, const T* dy, T* db);

}  // namespace tenzo::cuda
