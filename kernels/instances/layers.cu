// tenzo::cuda: normalisation, softmax, pooling and gated units of float.
#include "../activation.cuh"
#include "../channel_norm.cuh"
#include "../cross_entropy.cuh"
#include "../norm.cuh"
#include "../pool.cuh"
#include "../resample.cuh"
#include "../rope.cuh"
#include "../softmax.cuh"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo::cuda {

template void gated(Device, const GateShape&, const float*, const float*, float*, const fn::Silu&);
template void gated(Device, const GateShape&, const float*, const float*, float*, const fn::GeluTanh&);
template void gated_backward(Device, const GateShape&, const float*, const float*, const float*, float*, float*,
                             const fn::Silu&);
template void gated_backward(Device, const GateShape&, const float*, const float*, const float*, float*, float*,
                             const fn::GeluTanh&);
template void batch_statistics(Device, const Channels&, const float*, float*, float*);
template void batch_norm(Device, const Channels&, const float*, const float*, const float*, const float*, const float*,
                         double, float*);
template void batch_norm_backward(Device, const Channels&, const float*, const float*, const float*, const float*,
                                  double, bool, const float*, float*, float*, float*);
template void group_norm(Device, const Channels&, std::int64_t, const float*, const float*, const float*, double,
                         float*, float*, float*);
template void group_norm_backward(Device, const Channels&, std::int64_t, const float*, const float*, const float*,
                                  const float*, const float*, float*, float*, float*);
template void cross_entropy(Device, std::int64_t, std::int64_t, const float*, const std::int64_t*,
                            const CrossEntropyTarget&, float*, float*);
template void cross_entropy_backward(Device, std::int64_t, std::int64_t, const float*, const std::int64_t*,
                                     const CrossEntropyTarget&, const float*, const float*, std::int64_t, float*);
template void layer_norm(Device, std::int64_t, std::int64_t, const float*, const float*, const float*, double, float*,
                         float*, float*);
template void layer_norm_backward(Device, std::int64_t, std::int64_t, const float*, const float*, const float*,
                                  const float*, const float*, float*, float*, float*);
template void rms_norm(Device, std::int64_t, std::int64_t, const float*, const float*, double, float*, float*);
template void rms_norm_backward(Device, std::int64_t, std::int64_t, const float*, const float*, const float*,
                                const float*, float*, float*);
template void max_pool2d(Device, const PoolGeometry&, const float*, float*, std::int32_t*);
template void take_in_planes(Device, std::int64_t, std::int64_t, std::int64_t, const std::int32_t*, const float*,
                             float*);
template void put_in_planes(Device, std::int64_t, std::int64_t, std::int64_t, const std::int32_t*, const float*,
                            float*);
template void mean_pool2d(Device, const PoolGeometry&, const float*, float*);
template void mean_pool2d_adjoint(Device, const PoolGeometry&, const float*, float*);
template void adaptive_mean_pool2d(Device, std::int64_t, Size2, Size2, const float*, float*);
template void adaptive_mean_pool2d_adjoint(Device, std::int64_t, Size2, Size2, const float*, float*);
template void resample2d(Device, std::int64_t, Size2, Size2, Interpolation, const float*, float*);
template void resample2d_adjoint(Device, std::int64_t, Size2, Size2, Interpolation, const float*, float*);
template void rope(Device, const RopeShape&, const float*, const float*, const std::int64_t*, const float*, float*);
template void logsumexp(Device, std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void softmax(Device, std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void log_softmax(Device, std::int64_t, std::int64_t, std::int64_t, const float*, float*);
template void softmax_backward(Device, std::int64_t, std::int64_t, std::int64_t, const float*, const float*, float*);
template void log_softmax_backward(Device, std::int64_t, std::int64_t, std::int64_t, const float*, const float*,
                                   float*);
template void logsumexp_backward(Device, std::int64_t, std::int64_t, std::int64_t, const float*, const float*,
                                 const float*, float*);

}  // namespace tenzo::cuda
