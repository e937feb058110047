// The linear layer, with an optional low-rank adapter (LoRA).
#pragma once

#include "tenzo/ops/matmul.hpp"

namespace tenzo {

/// y = x Wᵀ + b, and + s (x Aᵀ) Bᵀ where an adapter is present.
///   A bias or adapter that is undefined takes no part.
///   Source  LoRA: Hu et al. 2021, section 4.1.
template <class V>
struct Linear {
  V weight;               // (out, in), or (in, out) where `in_out`
  V bias;                 // (out)
  V lora_a;               // (r, in)
  V lora_b;               // (out, r)
  double lora_scale = 1;  // alpha / r
  bool in_out = false;    // the weight is stored (in, out), as GPT-2's are

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("bias", self.bias...);
    f("lora_A.weight", self.lora_a...);
    f("lora_B.weight", self.lora_b...);
    f("lora_scale", self.lora_scale...);
    f("in_out", self.in_out...);
  }

  template <Value X>
  auto operator()(const X& x) const {  // (..., in) -> (..., out)
    const auto y = linear(x, weight, bias, in_out);
    if (!lora_a.defined()) return y;
    return decltype(y)(add(y, scale(linear(linear(x, lora_a), lora_b), lora_scale)));
  }
};

}  // namespace tenzo
