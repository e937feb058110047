// All kernels: with them Tensor<T, Cuda> works in a program that nvcc compiles.
#pragma once

#include "tenzo/cuda.hpp"

#if !defined(__CUDACC__) && !defined(TENZO_EMULATE_CUDA)
#error \
    "<tenzo_kernels/all.cuh> is for nvcc: compile this file as CUDA, or include <tenzo/cuda.hpp> and link tenzo::cuda"
#else

#include "activation.cuh"
#include "attention.cuh"
#include "channel_norm.cuh"
#include "conv.cuh"
#include "cross_entropy.cuh"
#include "descent.cuh"
#include "fft.cuh"
#include "index.cuh"
#include "loops.cuh"
#include "masks.cuh"
#include "matmul.cuh"
#include "memory.cuh"
#include "noise.cuh"
#include "norm.cuh"
#include "perturb.cuh"
#include "pool.cuh"
#include "quantized.cuh"
#include "recorded_step.cuh"
#include "resample.cuh"
#include "rope.cuh"
#include "softmax.cuh"
#include "update.cuh"

#endif
