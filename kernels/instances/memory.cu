// tenzo::cuda: the device, its memory, and what has no numbers of its own.
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
template void map_broadcast(Device, const Shape&, std::uint8_t*, const Shape&, const std::uint8_t*, const Shape&,
                            const std::uint8_t*, const fn::First&);

}  // namespace tenzo::cuda
