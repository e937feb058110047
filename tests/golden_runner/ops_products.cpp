#include "ops.hpp"
#include "tenzo/ops/matmul.hpp"

namespace golden {

template <class V>
std::optional<V> products(const Case& c, const std::vector<V>& x) {
  if (c.op == "matmul") return tenzo::matmul(x[0], x[1]);
  if (c.op == "linear") return tenzo::linear(x[0], x[1], x.size() > 2 ? x[2] : V{});
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> products<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
