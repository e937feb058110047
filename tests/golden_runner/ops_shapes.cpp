#include "ops.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace golden {

template <class V>
std::optional<V> shapes(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  const auto axis = [&] { return c.attrs.at("dim").get<int>(); };
  if (op == "permute") return tenzo::permute(x[0], axes_of(c, c.attrs.at("dims"), x[0].shape().rank()));
  if (op == "reshape") return tenzo::reshape(x[0], shape_of(c.attrs.at("shape")));
  if (op == "slice")
    return tenzo::slice(x[0], axis(), c.attrs.at("start").get<std::int64_t>(), c.attrs.at("stop").get<std::int64_t>(),
                        c.attrs.value("step", std::int64_t(1)));
  if (op == "concat") return tenzo::concat(x, axis());
  if (op == "pad") {
    const auto last = shape_of(c.attrs.at("pad_last")), before = shape_of(c.attrs.at("pad_second_last"));
    return tenzo::pad(x[0], {{-1, last[0], last[1]}, {-2, before[0], before[1]}}, c.attrs.value("value", 0.0));
  }
  if (op == "index_select") return tenzo::index_select(x[0], axis(), c.fixed.at(0));
  if (op == "gather") return tenzo::gather(x[0], axis(), c.fixed.at(0));
  if (op == "embedding") return tenzo::embedding(x[0], c.fixed.at(0));
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> shapes<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
