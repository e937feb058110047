// tenzo::cuda: what optimizers do, and the sums that solvers ask for.
#include "../update.cuh"
#include "number.hpp"

namespace tenzo::cuda {

template void momentum_update(Device, std::int64_t, const MomentumUpdate<Number>&, const Number*, Number*, Number*);
template void adam_update(Device, std::int64_t, const AdamUpdate<Number>&, const Number*, Number*, Number*, Number*,
                          Number*);
template double dot_elements(Device, std::int64_t, const Number*, const Number*);
template double squares_of(Device, std::int64_t, const Number*);

}  // namespace tenzo::cuda
