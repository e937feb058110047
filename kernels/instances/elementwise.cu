// tenzo::cuda: element-wise functions of one type of numbers.
#include "../loops.cuh"
#include "number.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/loss.hpp"

namespace tenzo::cuda {

#define TENZO_UNARY(F)                                                                                         \
  template void map(Device, std::int64_t, Number*, const fn::F&, const Number*);                               \
  template void map(Device, std::int64_t, Number*, const fn::SlopeTimes<fn::F>&, const Number*, const Number*, \
                    const Number*);
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

#define TENZO_MAP(F, ...) template void map(Device, std::int64_t, Number*, const fn::F&, __VA_ARGS__);
using In = const Number*;
TENZO_MAP(ScaleBy<Number>, In)
TENZO_MAP(Shift<Number>, In)
TENZO_MAP(Clip<Number>, In)
TENZO_MAP(IsZero, In)
TENZO_MAP(Magnitude, const std::complex<Number>*)
TENZO_MAP(Plus, In, In)
TENZO_MAP(AddScaled<Number>, In, In)
TENZO_MAP(SgdStep<Number>, In, In)
TENZO_MAP(SignStep<Number>, In, In)
TENZO_MAP(GateTangent<fn::Silu>, In, In, In)
TENZO_MAP(GateTangent<fn::GeluTanh>, In, In, In)
template void map(Device, std::int64_t, std::complex<Number>*, const fn::Conjugate&, const std::complex<Number>*);

}  // namespace tenzo::cuda
