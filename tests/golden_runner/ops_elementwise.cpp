#include "ops.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace golden {

template <class V>
std::optional<V> elementwise(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  if (op == "exp") return tenzo::exp(x[0]);
  if (op == "tanh") return tenzo::tanh(x[0]);
  if (op == "sigmoid") return tenzo::sigmoid(x[0]);
  if (op == "relu") return tenzo::relu(x[0]);
  if (op == "silu") return tenzo::silu(x[0]);
  if (op == "softplus") return tenzo::softplus(x[0]);
  if (op == "abs") return tenzo::abs(x[0]);
  if (op == "erf") return tenzo::erf(x[0]);
  if (op == "sin") return tenzo::sin(x[0]);
  if (op == "cos") return tenzo::cos(x[0]);
  if (op == "leaky_relu") return tenzo::leaky_relu(x[0], c.attrs.value("slope", 0.01));
  if (op == "gelu") return c.attrs.value("approximate", "none") == "tanh" ? tenzo::gelu_tanh(x[0]) : tenzo::gelu(x[0]);
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> elementwise<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
