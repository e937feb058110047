// The instantiations of what reads weights through a perturbation that tenzo::core carries.
#pragma once

#include "tenzo/core/compiled.hpp"

#if defined(TENZO_EXTERN_TEMPLATES)

#include "tenzo/zo/cpu/weights.hpp"

#if TENZO_DEFINES(zo)
#define TENZO_INSTANCE template
#else
#define TENZO_INSTANCE extern template
#endif

namespace tenzo::zo {

TENZO_INSTANCE void add_steps_<float>(float*, std::int64_t, std::int64_t, std::uint32_t, const std::vector<Step>&,
                                      const float*);

}  // namespace tenzo::zo

namespace tenzo::cpu {

TENZO_INSTANCE void read_weight<float>(Device, const StoredTensor&, std::uint32_t, const zo::Perturbation*, int,
                                       float*);
TENZO_INSTANCE void read_weight_rows<float>(Device, const StoredTensor&, std::uint32_t, const zo::Perturbation*,
                                            const Tensor<std::int64_t>&, std::span<float* const>);

}  // namespace tenzo::cpu

#undef TENZO_INSTANCE
#endif
