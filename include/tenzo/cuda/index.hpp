// Reading elements by their positions, adding to them, and finding them, on a GPU. Each does what its namesake in
// ops/cpu does; kernels/index.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/axis.hpp"

namespace tenzo::cuda {

template <class T>
void select_rows(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y);
template <class T>
void add_rows(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy, T* gx);
template <class T>
void gather_elements(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y);
template <class T>
void scatter_elements(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy, T* gx);
template <class T, class Better>
void arg_extreme(Device, const AroundAxis& s, Better better, const T* x, std::int64_t* at);
template <class T>
void cumulative_sum(Device, const AroundAxis& s, bool back, const T* x, T* y);
template <class T>
void choose(Device, std::int64_t n, const std::uint8_t* mask, const T* a, const T* b, T* y);

}  // namespace tenzo::cuda
