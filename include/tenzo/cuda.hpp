// Tensors on NVIDIA GPUs: Tensor<T, Cuda>. Programs that nvcc compiles include <tenzo_kernels/all.cuh> instead, others
// link tenzo::cuda.
#pragma once

#include "tenzo/cuda/activation.hpp"
#include "tenzo/cuda/attention.hpp"
#include "tenzo/cuda/channel_norm.hpp"
#include "tenzo/cuda/conv.hpp"
#include "tenzo/cuda/cross_entropy.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/fft.hpp"
#include "tenzo/cuda/index.hpp"
#include "tenzo/cuda/loops.hpp"
#include "tenzo/cuda/matmul.hpp"
#include "tenzo/cuda/norm.hpp"
#include "tenzo/cuda/pool.hpp"
#include "tenzo/cuda/resample.hpp"
#include "tenzo/cuda/rope.hpp"
#include "tenzo/cuda/softmax.hpp"
#include "tenzo/cuda/update.hpp"
#include "tenzo/tenzo.hpp"
