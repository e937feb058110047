// tenzo::cuda: attention, products, convolutions and transforms of float.
#include "../attention.cuh"
#include "../conv.cuh"
#include "../fft.cuh"
#include "../matmul.cuh"

namespace tenzo::cuda {

template void attention(Device, const AttentionProblem&, const float*, const float*, const float*, const float*, float*,
                        float*);
template void attention_backward(Device, const AttentionProblem&, const float*, const float*, const float*,
                                 const float*, const float*, const float*, const float*, float*, float*, float*, float*,
                                 const float*);
template void conv2d(Device, const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_input_gradient(Device, const ConvGeometry&, const float*, const float*, const float*, float*);
template void conv2d_weight_gradient(Device, const ConvGeometry&, const float*, const float*, float*);
template void conv2d_bias_gradient(Device, const ConvGeometry&, const float*, float*);
template void fft(Device, std::int64_t, std::int64_t, std::int64_t, bool, double, const float*, float*);
template void fft2(Device, std::int64_t, std::int64_t, std::int64_t, bool, double, const float*, float*);
template void matmul(Device, const MatMulShape&, const float*, const float*, float*);
template void affine(Device, std::int64_t, std::int64_t, std::int64_t, bool, const float*, const float*, const float*,
                     float*);

}  // namespace tenzo::cuda
