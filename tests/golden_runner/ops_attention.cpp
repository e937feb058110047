#include "ops.hpp"
#include "tenzo/ops/attention.hpp"
#include "tenzo/ops/rope.hpp"

namespace golden {

template <class V>
std::optional<V> attentions(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  if (op == "attention") {
    tenzo::AttentionLayout layout;
    layout.causal = c.attrs.value("causal", false);
    layout.scale = c.attrs.value("scale", 0.0);
    layout.window = c.attrs.value("window", std::int64_t(0));
    return tenzo::batched_attention(x[0], x[1], x[2], layout, x.size() > 3 ? x[3] : V{});
  }
  if (op == "rope") {  // x (batch, heads, time, dim): as tokens of one head each, at the position of their row
    const tenzo::Shape shape = x[0].shape();
    std::vector<std::int64_t> positions;
    for (std::int64_t row = 0; row < shape.outer(shape.rank() - 1); ++row) positions.push_back(row % shape.dim(-2));
    const auto layout =
        c.attrs.value("layout", "half") == "half" ? tenzo::RopeLayout::half : tenzo::RopeLayout::interleaved;
    const tenzo::RopeTable table(positions, shape.dim(-1), c.attrs.value("theta", 10000.0), layout);
    return tenzo::reshape(tenzo::rope(tenzo::reshape(x[0], {table.tokens(), shape.dim(-1)}), table), shape);
  }
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> attentions<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
