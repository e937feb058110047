// Element loops, broadcasting, strided copies, and sums over one axis, on a GPU. Each does what its namesake in ops/cpu
// does; kernels/loops.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/shape.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/walks.hpp"

namespace tenzo::cuda {

template <class Y, class F, class... X>
void map(Device, std::int64_t n, Y* y, const F& f, const X*... x);
template <class T, class F>
void map_broadcast(Device, const Shape& out, T* y, const Shape& shape_a, const T* a, const Shape& shape_b, const T* b,
                   const F& f);
template <class T>
void sum_middle(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y);
template <class T>
void fill(Device, std::int64_t n, T* y, T value);
template <class T>
void copy_strided(Device, const Shape& shape, const T* x, const Strides& xs, T* y, const Strides& ys);

}  // namespace tenzo::cuda
