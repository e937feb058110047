#include "ops.hpp"
#include "tenzo/ops/softmax.hpp"

namespace golden {

template <class V>
std::optional<V> reductions(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  const bool keepdim = c.attrs.value("keepdim", false);
  const auto axis = [&] { return c.attrs.at("dim").get<int>(); };
  const auto axes = [&] { return axes_of(c, c.attrs.at("dims"), x[0].shape().rank()); };
  if (op == "sum") return tenzo::sum(x[0], axes(), keepdim);
  if (op == "mean") return tenzo::mean(x[0], axes(), keepdim);
  if (op == "var") return tenzo::variance(x[0], axes(), c.attrs.value("correction", 1.0), keepdim);
  if (op == "max") return tenzo::max(x[0], axis(), keepdim);
  if (op == "logsumexp") return tenzo::logsumexp(x[0], axis(), keepdim);
  if (op == "softmax") return tenzo::softmax(x[0], axis());
  if (op == "log_softmax") return tenzo::log_softmax(x[0], axis());
  if (op == "cumsum") return tenzo::cumsum(x[0], axis());
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> reductions<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
