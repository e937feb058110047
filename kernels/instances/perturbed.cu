// tenzo::cuda: products with stored weights, and weights at perturbed points.
#include "../perturb.cuh"

namespace tenzo::cuda {

template void affine_stored(Device, std::int64_t, const StoredMatrix&, const AffineSide&);
template void affine_perturbed(Device, std::int64_t, const StoredMatrix&, const Terms&, std::span<const AffineSide>);
template void perturbed_rows(Device, const StoredMatrix&, std::int64_t, const std::int64_t*, const Terms&,
                             std::span<float* const>);
template void perturbed(Device, const StoredMatrix&, const Terms&, int, float*);
template void perturbed_sides(Device, const StoredMatrix&, const Terms&, std::span<float* const>);

}  // namespace tenzo::cuda
