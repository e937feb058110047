// tenzo::cuda: what optimizers do, and the sums that solvers ask for.
#include "../update.cuh"

namespace tenzo::cuda {

template void momentum_update(Device, std::int64_t, const MomentumUpdate<float>&, const float*, float*, float*);
template void adam_update(Device, std::int64_t, const AdamUpdate<float>&, const float*, float*, float*, float*, float*);
template double dot_elements(Device, std::int64_t, const float*, const float*);
template double squares_of(Device, std::int64_t, const float*);

}  // namespace tenzo::cuda
