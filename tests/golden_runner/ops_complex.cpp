#include "ops.hpp"
#include "tenzo/ops/fourier.hpp"

namespace golden {

template <class V>
std::optional<V> complex_ops(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  if (op == "complex_mul") return tenzo::complex_mul(x[0], x[1]);
  if (op == "complex_abs") return tenzo::complex_abs(x[0]);
  if (op == "complex_conj") return tenzo::complex_conj(x[0]);
  const bool inverse = !op.empty() && op[0] == 'i';
  if (const std::string kind = op.substr(inverse); kind == "fft" || kind == "fft2") {
    const std::string name = c.attrs.value("norm", "backward");
    const auto norm = name == "ortho"     ? tenzo::FftNorm::ortho
                      : name == "forward" ? tenzo::FftNorm::forward
                                          : tenzo::FftNorm::backward;
    tenzo::Axes axes = kind == "fft" ? tenzo::Axes{-1} : tenzo::Axes{-2, -1};
    if (c.attrs.contains("dims")) axes = axes_of(c, c.attrs["dims"], x[0].shape().rank());
    if (c.attrs.contains("dim")) axes = axes_of(c, Json::array({c.attrs["dim"]}), x[0].shape().rank());
    return inverse ? tenzo::ifft(x[0], axes, norm) : tenzo::fft(x[0], axes, norm);
  }
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> complex_ops<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
