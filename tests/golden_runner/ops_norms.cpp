#include "ops.hpp"
#include "tenzo/ops/channel_norm.hpp"

namespace golden {

template <class V>
std::optional<V> norms(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  const auto given = [&](std::size_t i) { return i < x.size() ? x[i] : V{}; };
  const double eps = c.attrs.value("eps", 1e-5);
  if (op == "layer_norm") return tenzo::layer_norm(x[0], given(1), given(2), eps, c.attrs.value("normalized_dims", 1));
  if (op == "rms_norm") return tenzo::rms_norm(x[0], given(1), eps);
  if (op == "group_norm") return tenzo::group_norm(x[0], c.attrs.at("groups").get<int>(), given(1), given(2), eps);
  if (op == "batch_norm" && c.attrs.value("training", true)) return tenzo::batch_norm(x[0], given(1), given(2), eps).y;
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> norms<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
