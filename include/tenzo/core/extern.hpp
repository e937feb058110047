// The instantiations of core's templates that tenzo::core carries.
#pragma once

#include "tenzo/core/compiled.hpp"

#if defined(TENZO_EXTERN_TEMPLATES)

#include "tenzo/core/gemm.hpp"
#include "tenzo/core/random.hpp"

#if TENZO_DEFINES(core)
#define TENZO_INSTANCE template
#else
#define TENZO_INSTANCE extern template
#endif

namespace tenzo {

#define TENZO_INSTANCES(T)                                                                          \
  TENZO_INSTANCE void add_scaled_<T>(T*, std::int64_t, std::int64_t, Law, const NoiseKey&, double); \
  TENZO_INSTANCE void add_scaled_<T>(T*, std::int64_t, std::int64_t, std::span<const NoiseTerm>, const T*);
TENZO_INSTANCES(float)
TENZO_INSTANCES(double)
TENZO_INSTANCES(bfloat16)
#undef TENZO_INSTANCES

#define TENZO_INSTANCES(T)                                                                                           \
  TENZO_INSTANCE void gemm<T>(MatrixView<const T>, MatrixView<const T>, MatrixView<T>, GemmOptions<T>, std::int64_t, \
                              BatchStrides);                                                                         \
  TENZO_INSTANCE void fill<T>(Law, const NoiseKey&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, T*);     \
  TENZO_INSTANCE void fill_rows<T>(Law, const NoiseKey&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,     \
                                   std::int64_t, T*, std::int64_t);                                                  \
  TENZO_INSTANCE void fill_matrix<T>(Law, const NoiseKey&, std::int64_t, std::int64_t, T*);                          \
  TENZO_INSTANCE void fill_uniform<T>(const NoiseKey&, std::int64_t, std::int64_t, T, T, T*);
TENZO_INSTANCES(float)
TENZO_INSTANCES(double)
#undef TENZO_INSTANCES

}  // namespace tenzo

#undef TENZO_INSTANCE
#endif
