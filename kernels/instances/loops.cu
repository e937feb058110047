// tenzo::cuda: broadcasting, copies, sums and indices.
#include "../index.cuh"
#include "../loops.cuh"
#include "number.hpp"
#include "tenzo/ops/functions.hpp"
#include "tenzo/ops/prelu.hpp"

namespace tenzo::cuda {

#define TENZO_BROADCAST(T, F) \
  template void map_broadcast(Device, const Shape&, T*, const Shape&, const T*, const Shape&, const T*, const fn::F&);
TENZO_BROADCAST(Number, Plus)
TENZO_BROADCAST(Number, Minus)
TENZO_BROADCAST(Number, Times)
TENZO_BROADCAST(Number, Over)
TENZO_BROADCAST(Number, First)
TENZO_BROADCAST(Number, ParametricRelu)
TENZO_BROADCAST(Number, ParametricReluSlope)
TENZO_BROADCAST(Number, NegativePart)
TENZO_BROADCAST(std::complex<Number>, ComplexProduct<Number>)

template void sum_middle(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, Number*);
template void fill(Device, std::int64_t, Number*, Number);
template void copy_strided(Device, const Shape&, const Number*, const Strides&, Number*, const Strides&);

using Index = const std::int64_t*;
template void select_rows(Device, const AroundAxis&, std::int64_t, Index, const Number*, Number*);
template void add_rows(Device, const AroundAxis&, std::int64_t, Index, const Number*, Number*);
template void gather_elements(Device, const AroundAxis&, std::int64_t, Index, const Number*, Number*);
template void scatter_elements(Device, const AroundAxis&, std::int64_t, Index, const Number*, Number*);
template void arg_extreme(Device, const AroundAxis&, fn::Greater, const Number*, std::int64_t*);
template void arg_extreme(Device, const AroundAxis&, fn::Less, const Number*, std::int64_t*);
template void cumulative_sum(Device, const AroundAxis&, bool, const Number*, Number*);
template void choose(Device, std::int64_t, const std::uint8_t*, const Number*, const Number*, Number*);

}  // namespace tenzo::cuda
