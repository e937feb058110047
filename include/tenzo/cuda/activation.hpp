// Gated units of transformers, on a GPU. Each does what its namesake in ops/cpu does; kernels/activation.cuh defines
// them.
#pragma once

#include <cstdint>

#include "tenzo/core/dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/ops/shapes/gate.hpp"

namespace tenzo::cuda {

template <Real T, class F>
void gated(Device, const GateShape& s, const T* gate, const T* up, T* y, const F& f);
template <Real T, class F>
void gated_backward(Device, const GateShape& s, const T* gate, const T* up, const T* gy, T* g_gate, T* g_up,
                    const F& f);

}  // namespace tenzo::cuda
