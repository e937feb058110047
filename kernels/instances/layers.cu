// tenzo::cuda: normalisation, softmax, pooling and gated units of one type of numbers.
#include "../activation.cuh"
#include "../channel_norm.cuh"
#include "../cross_entropy.cuh"
#include "../norm.cuh"
#include "../pool.cuh"
#include "../resample.cuh"
#include "../rope.cuh"
#include "../softmax.cuh"
#include "number.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo::cuda {

template void gated(Device, const GateShape&, const Number*, const Number*, Number*, const fn::Silu&);
template void gated(Device, const GateShape&, const Number*, const Number*, Number*, const fn::GeluTanh&);
template void gated_backward(Device, const GateShape&, const Number*, const Number*, const Number*, Number*, Number*,
                             const fn::Silu&);
template void gated_backward(Device, const GateShape&, const Number*, const Number*, const Number*, Number*, Number*,
                             const fn::GeluTanh&);
template void batch_statistics(Device, const Channels&, const Number*, Number*, Number*);
template void batch_norm(Device, const Channels&, const Number*, const Number*, const Number*, const Number*,
                         const Number*, double, Number*);
template void batch_norm_backward(Device, const Channels&, const Number*, const Number*, const Number*, const Number*,
                                  double, bool, const Number*, Number*, Number*, Number*);
template void group_norm(Device, const Channels&, std::int64_t, const Number*, const Number*, const Number*, double,
                         Number*, Number*, Number*);
template void group_norm_backward(Device, const Channels&, std::int64_t, const Number*, const Number*, const Number*,
                                  const Number*, const Number*, Number*, Number*, Number*);
template void cross_entropy(Device, std::int64_t, std::int64_t, const Number*, const std::int64_t*,
                            const CrossEntropyTarget&, Number*, Number*);
template void cross_entropy_backward(Device, std::int64_t, std::int64_t, const Number*, const std::int64_t*,
                                     const CrossEntropyTarget&, const Number*, const Number*, std::int64_t, Number*);
template void layer_norm(Device, std::int64_t, std::int64_t, const Number*, const Number*, const Number*, double,
                         Number*, Number*, Number*);
template void layer_norm_backward(Device, std::int64_t, std::int64_t, const Number*, const Number*, const Number*,
                                  const Number*, const Number*, Number*, Number*, Number*);
template void rms_norm(Device, std::int64_t, std::int64_t, const Number*, const Number*, double, Number*, Number*);
template void rms_norm_backward(Device, std::int64_t, std::int64_t, const Number*, const Number*, const Number*,
                                const Number*, Number*, Number*);
template void max_pool2d(Device, const PoolGeometry&, const Number*, Number*, std::int32_t*);
template void take_in_planes(Device, std::int64_t, std::int64_t, std::int64_t, const std::int32_t*, const Number*,
                             Number*);
template void put_in_planes(Device, std::int64_t, std::int64_t, std::int64_t, const std::int32_t*, const Number*,
                            Number*);
template void mean_pool2d(Device, const PoolGeometry&, const Number*, Number*);
template void mean_pool2d_adjoint(Device, const PoolGeometry&, const Number*, Number*);
template void adaptive_mean_pool2d(Device, std::int64_t, Size2, Size2, const Number*, Number*);
template void adaptive_mean_pool2d_adjoint(Device, std::int64_t, Size2, Size2, const Number*, Number*);
template void resample2d(Device, std::int64_t, Size2, Size2, Interpolation, const Number*, Number*);
template void resample2d_adjoint(Device, std::int64_t, Size2, Size2, Interpolation, const Number*, Number*);
template void rope(Device, const RopeShape&, const Number*, const Number*, const std::int64_t*, const Number*, Number*);
template void logsumexp(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, Number*);
template void softmax(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, Number*);
template void log_softmax(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, Number*);
template void softmax_backward(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, const Number*, Number*);
template void log_softmax_backward(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, const Number*,
                                   Number*);
template void logsumexp_backward(Device, std::int64_t, std::int64_t, std::int64_t, const Number*, const Number*,
                                 const Number*, Number*);

}  // namespace tenzo::cuda
