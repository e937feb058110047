// tenzo::cuda: element-wise functions of float.
#include "../loops.cuh"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/loss.hpp"

namespace tenzo::cuda {

#define TENZO_UNARY(F)                                                                                      \
  template void map(Device, std::int64_t, float*, const fn::F&, const float*);                              \
  template void map(Device, std::int64_t, float*, const fn::SlopeTimes<fn::F>&, const float*, const float*, \
                    const float*);
TENZO_UNARY(Exp)
TENZO_UNARY(Log)
TENZO_UNARY(Sqrt)
TENZO_UNARY(Rsqrt)
TENZO_UNARY(Square)
TENZO_UNARY(Abs)
TENZO_UNARY(Sign)
TENZO_UNARY(Step)
TENZO_UNARY(Within)
TENZO_UNARY(Sin)
TENZO_UNARY(Cos)
TENZO_UNARY(Tanh)
TENZO_UNARY(Sigmoid)
TENZO_UNARY(Erf)
TENZO_UNARY(Relu)
TENZO_UNARY(LeakyRelu)
TENZO_UNARY(Clamp)
TENZO_UNARY(Silu)
TENZO_UNARY(Softplus)
TENZO_UNARY(Gelu)
TENZO_UNARY(GeluTanh)
TENZO_UNARY(Pow)
TENZO_UNARY(Huber)

#define TENZO_MAP(F, ...) template void map(Device, std::int64_t, float*, const fn::F&, __VA_ARGS__);
using In = const float*;
TENZO_MAP(ScaleBy<float>, In)
TENZO_MAP(Shift<float>, In)
TENZO_MAP(Clip<float>, In)
TENZO_MAP(IsZero, In)
TENZO_MAP(Magnitude, const std::complex<float>*)
TENZO_MAP(Plus, In, In)
TENZO_MAP(AddScaled<float>, In, In)
TENZO_MAP(SgdStep<float>, In, In)
TENZO_MAP(SignStep<float>, In, In)
TENZO_MAP(GateTangent<fn::Silu>, In, In, In)
TENZO_MAP(GateTangent<fn::GeluTanh>, In, In, In)
template void map(Device, std::int64_t, std::complex<float>*, const fn::Conjugate&, const std::complex<float>*);

}  // namespace tenzo::cuda
