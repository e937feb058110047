// Discrete Fourier transforms, on a GPU. Each does what its namesake in ops/cpu does; kernels/fft.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

template <Real T>
void fft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale, const T* x, T* y);
template <Real T>
void fft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, bool inverse, double scale, const T* x,
          T* y);
template <Real T>
void rfft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside, const T* x,
          T* y);
template <Real T>
void irfft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside, const T* y,
           T* x);
template <Real T>
void rfft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside, const T* x,
           T* y);
template <Real T>
void irfft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside, const T* y,
            T* x);

}  // namespace tenzo::cuda
