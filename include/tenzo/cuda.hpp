// Tensors on NVIDIA GPUs: Tensor<T, Cuda>. Programs that nvcc compiles include <tenzo_kernels/all.cuh> instead, others
// link tenzo::cuda. A step as a graph is a header of its own, <tenzo/cuda/recorded_step.hpp>.
#pragma once

#include "tenzo/cuda/operations.hpp"
#include "tenzo/tenzo.hpp"
