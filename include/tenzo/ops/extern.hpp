// The instantiations of operations' loops that tenzo::core carries.
#pragma once

#include "tenzo/core/compiled.hpp"

#if defined(TENZO_EXTERN_TEMPLATES)

#include "tenzo/core/extern.hpp"
#include "tenzo/ops/cpu/activation.hpp"
#include "tenzo/ops/cpu/attention.hpp"
#include "tenzo/ops/cpu/cross_entropy.hpp"
#include "tenzo/ops/cpu/index.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/cpu/matmul.hpp"
#include "tenzo/ops/cpu/norm.hpp"
#include "tenzo/ops/cpu/rope.hpp"
#include "tenzo/ops/cpu/softmax.hpp"
#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/functions.hpp"

#if TENZO_DEFINES(ops)
#define TENZO_INSTANCE template
#else
#define TENZO_INSTANCE extern template
#endif

namespace tenzo::cpu {

// products, attention
#define TENZO_INSTANCES(T)                                                                                            \
  TENZO_INSTANCE void matmul<T>(Device, const MatMulShape&, const T*, const T*, T*);                                  \
  TENZO_INSTANCE void affine<T>(Device, std::int64_t, std::int64_t, std::int64_t, bool, const T*, const T*, const T*, \
                                T*);                                                                                  \
  TENZO_INSTANCE void rope<T>(Device, const RopeShape&, const T*, const T*, const std::int64_t*, const T*, T*);       \
  TENZO_INSTANCE void attention<T>(Device, const AttentionProblem&, const T*, const T*, const T*, const T*, T*, T*);  \
  TENZO_INSTANCE void attention_backward<T>(Device, const AttentionProblem&, const T*, const T*, const T*, const T*,  \
                                            const T*, const T*, const T*, T*, T*, T*, T*, const T*);
TENZO_INSTANCES(float)
TENZO_INSTANCES(double)
#undef TENZO_INSTANCES

// norms, softmax, cross entropy, gates
#define TENZO_INSTANCES(T)                                                                                             \
  TENZO_INSTANCE void layer_norm<T>(Device, std::int64_t, std::int64_t, const T*, const T*, const T*, double, T*, T*,  \
                                    T*);                                                                               \
  TENZO_INSTANCE void layer_norm_backward<T>(Device, std::int64_t, std::int64_t, const T*, const T*, const T*,         \
                                             const T*, const T*, T*, T*, T*);                                          \
  TENZO_INSTANCE void rms_norm<T>(Device, std::int64_t, std::int64_t, const T*, const T*, double, T*, T*);             \
  TENZO_INSTANCE void rms_norm_backward<T>(Device, std::int64_t, std::int64_t, const T*, const T*, const T*, const T*, \
                                           T*, T*);                                                                    \
  TENZO_INSTANCE void logsumexp<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, T*);                    \
  TENZO_INSTANCE void softmax<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, T*);                      \
  TENZO_INSTANCE void log_softmax<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, T*);                  \
  TENZO_INSTANCE void softmax_backward<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, const T*, T*);   \
  TENZO_INSTANCE void log_softmax_backward<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, const T*,    \
                                              T*);                                                                     \
  TENZO_INSTANCE void logsumexp_backward<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, const T*,      \
                                            const T*, T*);                                                             \
  TENZO_INSTANCE void cross_entropy<T, std::int64_t>(Device, std::int64_t, std::int64_t, const T*,                     \
                                                     const std::int64_t*, const CrossEntropyTarget&, T*, T*);          \
  TENZO_INSTANCE void cross_entropy_backward<T, std::int64_t>(Device, std::int64_t, std::int64_t, const T*,            \
                                                              const std::int64_t*, const CrossEntropyTarget&,          \
                                                              const T*, const T*, std::int64_t, T*);                   \
  TENZO_INSTANCE void gated<T, SiluLanes>(Device, const GateShape&, const T*, const T*, T*, const SiluLanes&);         \
  TENZO_INSTANCE void gated_backward<T, SiluLanes>(Device, const GateShape&, const T*, const T*, const T*, T*, T*,     \
                                                   const SiluLanes&);
TENZO_INSTANCES(float)
TENZO_INSTANCES(double)
#undef TENZO_INSTANCES

// elements
#define TENZO_INSTANCES(T)                                                                                        \
  TENZO_INSTANCE void sum_middle<T>(Device, std::int64_t, std::int64_t, std::int64_t, const T*, T*);              \
  TENZO_INSTANCE void select_rows<T>(Device, const AroundAxis&, std::int64_t, const std::int64_t*, const T*, T*); \
  TENZO_INSTANCE void add_rows<T>(Device, const AroundAxis&, std::int64_t, const std::int64_t*, const T*, T*);    \
  TENZO_INSTANCE void copy_strided<T>(Device, const Shape&, const T*, const Strides&, T*, const Strides&);        \
  TENZO_INSTANCE void map_broadcast<T, const fn::Plus&>(Device, const Shape&, T*, const Shape&, const T*,         \
                                                        const Shape&, const T*, const fn::Plus&);                 \
  TENZO_INSTANCE void map_broadcast<T, const fn::Minus&>(Device, const Shape&, T*, const Shape&, const T*,        \
                                                         const Shape&, const T*, const fn::Minus&);               \
  TENZO_INSTANCE void map_broadcast<T, const fn::Times&>(Device, const Shape&, T*, const Shape&, const T*,        \
                                                         const Shape&, const T*, const fn::Times&);               \
  TENZO_INSTANCE void map_broadcast<T, const fn::Over&>(Device, const Shape&, T*, const Shape&, const T*,         \
                                                        const Shape&, const T*, const fn::Over&);                 \
  TENZO_INSTANCE void map_broadcast<T, fn::First>(Device, const Shape&, T*, const Shape&, const T*, const Shape&, \
                                                  const T*, fn::First&&);
TENZO_INSTANCES(float)
TENZO_INSTANCES(double)
#undef TENZO_INSTANCES

}  // namespace tenzo::cpu

#undef TENZO_INSTANCE
#endif
