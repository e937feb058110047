// Steps of zeroth-order optimizers on a GPU: the estimate's directions are drawn again and used at once, in one pass
// over the weights. kernels/descent.cuh defines what is declared here.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>

#include "tenzo/core/noise.hpp"
#include "tenzo/core/stored_dtype.hpp"
#include "tenzo/cuda/device.hpp"
#include "tenzo/cuda/noise.hpp"
#include "tenzo/zo/optimizers.hpp"

namespace tenzo::cuda {

/// A step on the elements x of one leaf, as zo::apply_estimate_ makes it; d = Σ factor[0] u is what the terms add up
/// to.
///   first     x ← x − decay x
///   sgd       x ← x + d, so the factors are −η of the slopes
///   sign      x ← x − rate sign d, and so on with the slopes themselves:
///   momentum  m ← beta m + d;  x ← x − rate m
///   adam      m ← b1 m + c1 d;  v ← b2 v + c2 d²;  x ← x − scale1 m / (√(scale2 v) + eps)
struct Descent {
  zo::UpdateRule rule = zo::UpdateRule::sgd;
  float decay = 0, rate = 0, beta = 0;
  float b1 = 0, c1 = 0, b2 = 0, c2 = 0, scale1 = 0, scale2 = 0, eps = 0;
  NoiseKey rounding{};  // of bfloat16: with the leaf's number, and the purpose

  Descent() = default;
  /// Step t (from 1 on) with the step size lr, on a leaf of several axes or of one.
  Descent(const zo::UpdateOptions& o, double lr, std::uint32_t t, bool matrix, const NoiseKey& key)
      : rule(o.rule),
        decay(matrix ? float(lr * o.weight_decay) : 0.f),
        rate(float(lr)),
        beta(float(o.momentum)),
        b1(float(o.beta1)),
        c1(1 - float(o.beta1)),
        b2(float(o.beta2)),
        c2(1 - float(o.beta2)),
        scale1(float(lr / (1 - std::pow(o.beta1, double(t))))),
        scale2(float(1 / (1 - std::pow(o.beta2, double(t))))),
        eps(float(o.adam_eps)),
        rounding(key.of(Purpose::rounding)) {}
};

/// The step on a matrix of f32, f16 or bf16 in the GPU's memory, with the bits of the CPU; m and v, of float and as
/// many elements, where the rule has them. Half is rounded to nearest, bfloat16 stochastically, once.
template <std::same_as<Device> D>
void descend_(D, const Descent& step, DType type, void* w, std::int64_t rows, std::int64_t cols, const Terms& terms,
              float* m, float* v);

}  // namespace tenzo::cuda
