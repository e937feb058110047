// The instantiations of models that tenzo::core carries: LLaMA's forward pass on plain, probed and recorded floats.
#pragma once

#include "tenzo/core/compiled.hpp"

#if defined(TENZO_EXTERN_TEMPLATES)

#include "tenzo/autodiff/var.hpp"
#include "tenzo/models/llama.hpp"
#include "tenzo/zo/probe.hpp"

namespace tenzo {

#define TENZO_INSTANCES(INSTANCE, ...)                                                                             \
  INSTANCE __VA_ARGS__ Llama<__VA_ARGS__>::embed(const LlamaBatch&) const;                                         \
  INSTANCE __VA_ARGS__ Llama<__VA_ARGS__>::blocks(__VA_ARGS__, const LlamaBatch&, std::size_t, std::size_t) const; \
  INSTANCE __VA_ARGS__ Llama<__VA_ARGS__>::next_logits(PackedTokens, KeyValueCache<__VA_ARGS__>&) const;           \
  INSTANCE __VA_ARGS__ Llama<__VA_ARGS__>::logits(const LlamaBatch&) const;

#if TENZO_DEFINES(llama)
TENZO_INSTANCES(template, Tensor<float>)
TENZO_INSTANCES(template, zo::Probe<float>)
#else
TENZO_INSTANCES(extern template, Tensor<float>)
TENZO_INSTANCES(extern template, zo::Probe<float>)
#endif
#if TENZO_DEFINES(llama_var)
TENZO_INSTANCES(template, Var<Tensor<float>>)
#else
TENZO_INSTANCES(extern template, Var<Tensor<float>>)
#endif
#undef TENZO_INSTANCES

}  // namespace tenzo

#endif
