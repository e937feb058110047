// Steps of zeroth-order optimizers on a GPU: the estimate's directions are drawn again and used at once, in one pass
// over the weights. kernels/descent.cuh defines what is declared here.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>

#include "tenzo/core/stored_dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/noise.hpp"
#include "tenzo/zo/descent.hpp"

namespace tenzo::cuda {

/// A leaf of f32, f16 or bf16 in the GPU's memory, to be stepped: its matrix, its number in the model, its mask and its
/// moments of float where there are some.
struct DescentLeaf {
  void* w = nullptr;
  std::int64_t rows = 0, cols = 0;
  std::uint32_t number = 0;
  bool decays = true;
  const std::uint8_t* mask = nullptr;
  float *m = nullptr, *v = nullptr;
};

/// The step on one leaf, with the bits of the CPU. Half is rounded to nearest, bfloat16 stochastically, once, by the
/// noise of the leaf's number.
///   Throws ValueError for other types.
template <std::same_as<Device> D>
void descend_(D, const zo::Descent& step, DType type, const DescentLeaf& leaf, const Terms& terms);

/// Leaves of one type as a kernel finds them, in the GPU's memory.
struct LeafTable {
  DType type = DType::f32;
  std::int64_t count = 0, blocks = 0;
  std::shared_ptr<void> memory;
};
template <std::same_as<Device> D>
LeafTable leaf_table(D, DType type, std::span<const DescentLeaf> leaves);

/// The step on all leaves of a table in one launch. The terms are noise of a law that names no tensor and has no mask:
/// each leaf adds its own.
template <std::same_as<Device> D>
void descend_(D, const zo::Descent& step, const LeafTable& leaves, const Terms& terms);

}  // namespace tenzo::cuda
