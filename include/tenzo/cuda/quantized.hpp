// Stored matrices on a GPU: read as floats, and multiplied without being decoded to memory. kernels/quantized.cuh
// defines what is declared here.
#pragma once

#include <concepts>
#include <cstdint>

#include "tenzo/core/stored_dtype.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

/// A row-major matrix of stored elements in the GPU's memory: f32, f16, bf16 or a quantised format.
///   Address  a multiple of 4 (of the element's size where that is less).
struct StoredMatrix {
  DType dtype = DType::f32;
  const void* data = nullptr;
  std::int64_t rows = 0, cols = 0;
};

/// out[i ld + j] = element (row + i, col + j) for i < rows, j < cols: the bits of StoredTensor::decode.
template <std::same_as<Device> D>
void decode(D, const StoredMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
            float* out, std::int64_t ld);
/// All elements, row-major.
template <std::same_as<Device> D>
void decode(D device, const StoredMatrix& w, float* out) {
  decode(device, w, 0, w.rows, 0, w.cols, out, w.cols);
}

/// y = x Wᵀ + bias for few rows of x, with W decoded in registers: x (m, cols), y (m, rows), bias (rows) or null.
///   Sums   a chain a lane of a warp, lanes joined by a tree: the same bits in every run, and for every m, but not the
///          CPU's. Error at most (cols / 128 + 8) 2^-24 Σ |x w| of each element.
///   Cost   W is read once for four rows of x; for many rows affine_stored (perturb.hpp) is faster.
template <std::same_as<Device> D>
void multiply_few_rows(D, std::int64_t m, const StoredMatrix& w, const float* x, const float* bias, float* y);

}  // namespace tenzo::cuda
