// tenzo::cuda: attention, products, convolutions and transforms of one type of numbers.
#include "../attention.cuh"
#include "../conv.cuh"
#include "../fft.cuh"
#include "../matmul.cuh"
#include "number.hpp"

namespace tenzo::cuda {

template void attention(Device, const AttentionProblem&, const Number*, const Number*, const Number*, const Number*,
                        Number*, Number*);
template void attention_backward(Device, const AttentionProblem&, const Number*, const Number*, const Number*,
                                 const Number*, const Number*, const Number*, const Number*, Number*, Number*, Number*,
                                 Number*, const Number*);
template void conv2d(Device, const ConvGeometry&, const Number*, const Number*, const Number*, Number*);
template void conv2d_input_gradient(Device, const ConvGeometry&, const Number*, const Number*, const Number*, Number*);
template void conv2d_weight_gradient(Device, const ConvGeometry&, const Number*, const Number*, Number*);
template void conv2d_bias_gradient(Device, const ConvGeometry&, const Number*, Number*);
template void fft(Device, std::int64_t, std::int64_t, std::int64_t, bool, double, const Number*, Number*);
template void fft2(Device, std::int64_t, std::int64_t, std::int64_t, bool, double, const Number*, Number*);
template void rfft(Device, std::int64_t, std::int64_t, std::int64_t, double, double, const Number*, Number*);
template void irfft(Device, std::int64_t, std::int64_t, std::int64_t, double, double, const Number*, Number*);
template void rfft2(Device, std::int64_t, std::int64_t, std::int64_t, double, double, const Number*, Number*);
template void irfft2(Device, std::int64_t, std::int64_t, std::int64_t, double, double, const Number*, Number*);
template void matmul(Device, const MatMulShape&, const Number*, const Number*, Number*);
template void affine(Device, std::int64_t, std::int64_t, std::int64_t, bool, const Number*, const Number*,
                     const Number*, Number*);

}  // namespace tenzo::cuda
