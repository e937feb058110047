// Normalisation layers.
#pragma once

#include "tenzo/ops/norm.hpp"

namespace tenzo {

/// y = x / sqrt(mean(x²) + eps) · weight over the last axis.
template <class V>
struct RmsNorm {
  V weight;  // (features)
  double eps = 1e-6;

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("eps", self.eps...);
  }
  template <Value X>
  auto operator()(const X& x) const {  // (..., features) -> the same
    return rms_norm(x, weight, eps);
  }
};

/// y = (x − mean) / sqrt(var + eps) · weight + bias over the last axis.
template <class V>
struct LayerNorm {
  V weight, bias;  // (features); undefined: left out
  double eps = 1e-5;

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("bias", self.bias...);
    f("eps", self.eps...);
  }
  template <Value X>
  auto operator()(const X& x) const {  // (..., features) -> the same
    return layer_norm(x, weight, bias, eps);
  }
};

}  // namespace tenzo
