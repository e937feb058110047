// tenzo::cuda: memory, broadcasting, copies, sums and indices.
#include "../index.cuh"
#include "../loops.cuh"
#include "../memory.cuh"
#include "tenzo/ops/functions.hpp"

namespace tenzo::cuda {

template std::string obstacle(Device);
template void wait_for(Device);
template std::shared_ptr<void> allocate(Device, std::size_t);
#define TENZO_MEMORY(T)                                             \
  template void fill_elements(Device, std::int64_t, T*, T);         \
  template void copy_elements(Device, std::int64_t, const T*, T*);  \
  template void copy_from_host(Device, std::int64_t, const T*, T*); \
  template void copy_to_host(Device, std::int64_t, const T*, T*);
TENZO_MEMORY(float)
TENZO_MEMORY(double)
TENZO_MEMORY(std::uint8_t)
TENZO_MEMORY(std::int32_t)
TENZO_MEMORY(std::int64_t)
template void cast_elements(Device, std::int64_t, const float*, double*);
template void cast_elements(Device, std::int64_t, const double*, float*);
template void cast_elements(Device, std::int64_t, const std::int64_t*, float*);

#define TENZO_BROADCAST(T, F) \
  template void map_broadcast(Device, const Shape&, T*, const Shape&, const T*, const Shape&, const T*, const fn::F&);
TENZO_BROADCAST(float, Plus)
TENZO_BROADCAST(float, Minus)
TENZO_BROADCAST(float, Times)
TENZO_BROADCAST(float, Over)
TENZO_BROADCAST(float, First)
TENZO_BROADCAST(std::uint8_t, First)
TENZO_BROADCAST(std::complex<float>, ComplexProduct<float>)

template void sum_middle(Device, std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void fill(Device, std::int64_t, float*, float);
template void copy_strided(Device, const Shape&, const float*, const Strides&, float*, const Strides&);

using Index = const std::int64_t*;
template void select_rows(Device, const AroundAxis&, std::int64_t, Index, const float*, float*);
template void add_rows(Device, const AroundAxis&, std::int64_t, Index, const float*, float*);
template void gather_elements(Device, const AroundAxis&, std::int64_t, Index, const float*, float*);
template void scatter_elements(Device, const AroundAxis&, std::int64_t, Index, const float*, float*);
template void arg_extreme(Device, const AroundAxis&, fn::Greater, const float*, std::int64_t*);
template void arg_extreme(Device, const AroundAxis&, fn::Less, const float*, std::int64_t*);
template void cumulative_sum(Device, const AroundAxis&, bool, const float*, float*);
template void choose(Device, std::int64_t, const std::uint8_t*, const float*, const float*, float*);

}  // namespace tenzo::cuda
