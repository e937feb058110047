// Scaled dot-product attention and its gradients, on a GPU. Each does what its namesake in ops/cpu does;
// kernels/attention.cuh defines them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/attention.hpp"

namespace tenzo::cuda {

template <Real T>
void attention(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias, T* out, T* lse);
template <Real T>
void attention_backward(Device, const AttentionProblem& p, const T* q, const T* k, const T* v, const T* bias,
                        const T* out, const T* lse, const T* g_out, T* gq, T* gk, T* gv, T* g_bias = nullptr,
                        const T* g_lse = nullptr);

}  // namespace tenzo::cuda
