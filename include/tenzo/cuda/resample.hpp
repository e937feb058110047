// Images to another size, on a GPU. Each does what its namesake in ops/cpu does; kernels/resample.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/resample.hpp"

namespace tenzo::cuda {

template <Real T>
void resample2d(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* x, T* y);
template <Real T>
void resample2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* dy, T* dx);

}  // namespace tenzo::cuda
