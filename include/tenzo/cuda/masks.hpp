// Masks of sparse zeroth-order optimization on a GPU: the same weights are chosen as by zo/masks.hpp. kernels/masks.cuh
// defines what is declared here.
#pragma once

#include <concepts>
#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/quantized.hpp"

namespace tenzo::cuda {

/// to[i] = 1 for the `count` elements of least magnitude, of equal ones the first; 0 for the others. Nothing waits for
/// the GPU.
///   Cost  w is read five times.
template <std::same_as<Device> D>
void mark_smallest(D, const StoredMatrix& w, std::int64_t count, std::uint8_t* to);
/// The same for the least of the uniform noise of a matrix.
template <std::same_as<Device> D>
void mark_smallest(D, const NoiseKey& key, std::int64_t rows, std::int64_t cols, std::int64_t count, std::uint8_t* to);

/// x ← x where the mask is not 0, zero elsewhere (with the sign of x).
template <Real T>
void apply_mask_(Device, std::int64_t n, const std::uint8_t* mask, T* x);

}  // namespace tenzo::cuda
