#include "ops.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace golden {

template <class V>
std::optional<V> arithmetic(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  if (op == "add") return tenzo::add(x[0], x[1]);
  if (op == "sub") return tenzo::sub(x[0], x[1]);
  if (op == "mul") return tenzo::mul(x[0], x[1]);
  if (op == "div") return tenzo::div(x[0], x[1]);
  if (op == "log") return tenzo::log(x[0]);
  if (op == "neg") return tenzo::neg(x[0]);
  if (op == "square") return tenzo::square(x[0]);
  if (op == "sqrt") return tenzo::sqrt(x[0]);
  if (op == "rsqrt") return tenzo::rsqrt(x[0]);
  if (op == "pow") return tenzo::pow(x[0], c.attrs.at("exponent").get<double>());
  if (op == "clamp") return tenzo::clamp(x[0], c.attrs.at("min").get<double>(), c.attrs.at("max").get<double>());
  if (op == "where") {
    tenzo::Tensor<std::uint8_t> mask(c.fixed.at(0).shape());
    for (std::int64_t i = 0; i < mask.size(); ++i) mask(i) = c.fixed[0](i) != 0;
    return tenzo::where(mask, x[0], x[1]);
  }
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> arithmetic<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
