// tenzo::cuda: what zeroth-order optimization does with weights: noise, stored formats, masks and steps.
#include "../descent.cuh"
#include "../masks.cuh"
#include "../noise.cuh"
#include "../quantized.cuh"
#include "../recorded_step.cuh"

namespace tenzo::cuda {

template void fill_rows(Device, Law, const NoiseKey&, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                        std::int64_t, float*, std::int64_t);
template void fill_matrix(Device, Law, const NoiseKey&, std::int64_t, std::int64_t, float*);
template void fill_uniform(Device, const NoiseKey&, std::int64_t, std::int64_t, float, float, float*);
template std::shared_ptr<void> allocate_terms(Device, std::int64_t);
template void write_terms(Device, std::span<const DirectionTerm>, void*);
template void write_direction(Device, const DirectionTerm&, std::int64_t, std::int64_t, float*);
template void add_scaled_(Device, float*, std::int64_t, std::int64_t, std::span<const NoiseTerm>, const float*);
template void add_scaled_(Device, bfloat16*, std::int64_t, std::int64_t, std::span<const NoiseTerm>, const bfloat16*);
template void add_directions_(Device, float*, std::int64_t, std::int64_t, const Terms&, const float*);
template double squared_norm(Device, Law, const NoiseKey&, std::int64_t, std::int64_t);
template double squared_norm(Device, const DirectionTerm&, std::int64_t, std::int64_t);

template void descend_(Device, const zo::Descent&, DType, const DescentLeaf&, const Terms&);
template LeafTable leaf_table(Device, DType, std::span<const DescentLeaf>);
template void descend_(Device, const zo::Descent&, const LeafTable&, const Terms&);

template std::shared_ptr<const void> record(Device, const std::function<void()>&);
template void launch_recorded(Device, const std::shared_ptr<const void>&);
template void terms_of_losses(Device, std::int64_t, const float*, double, double, const double*, double*,
                              const TermBuffer&);

template void decode(Device, const StoredMatrix&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, float*,
                     std::int64_t);
template void multiply_few_rows(Device, std::int64_t, const StoredMatrix&, const float*, const float*, float*);
template void mark_smallest(Device, const StoredMatrix&, std::int64_t, std::uint8_t*);
template void mark_smallest(Device, const NoiseKey&, std::int64_t, std::int64_t, std::int64_t, std::uint8_t*);
template void apply_mask_(Device, std::int64_t, const std::uint8_t*, float*);

}  // namespace tenzo::cuda
