// What optimizers do with the elements of one tensor, and sums over elements, on a GPU. Each does what its namesake in
// ops/cpu does; kernels/update.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/update.hpp"

namespace tenzo::cuda {

template <Real T>
void momentum_update(Device, std::int64_t n, const MomentumUpdate<T>& u, const T* g, T* m, T* w);
template <Real T>
void adam_update(Device, std::int64_t n, const AdamUpdate<T>& u, const T* g, T* m, T* v, T* largest, T* w);
template <class T>
double dot_elements(Device, std::int64_t n, const T* a, const T* b);
template <class T>
double squares_of(Device, std::int64_t n, const T* x);

}  // namespace tenzo::cuda
