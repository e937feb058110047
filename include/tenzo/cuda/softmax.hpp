// Softmax, its logarithm, log Σ eˣ, and their gradients, on a GPU. Each does what its namesake in ops/cpu does;
// kernels/softmax.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

template <Real T>
void logsumexp(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y);
template <Real T>
void softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y);
template <Real T>
void log_softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y);
template <Real T>
void softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy, T* gx);
template <Real T>
void log_softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy,
                          T* gx);
template <Real T>
void logsumexp_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, const T* y,
                        const T* gy, T* gx);

}  // namespace tenzo::cuda
