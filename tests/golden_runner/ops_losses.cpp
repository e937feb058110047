#include "ops.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/loss.hpp"

namespace golden {

template <class V>
std::optional<V> losses(const Case& c, const std::vector<V>& x) {
  const std::string& op = c.op;
  if (op == "mse_loss") return tenzo::mse_loss(x[0], x[1], reduction_of(c));
  if (op == "l1_loss") return tenzo::l1_loss(x[0], x[1], reduction_of(c));
  if (op == "huber_loss") return tenzo::huber_loss(x[0], x[1], c.attrs.value("delta", 1.0), reduction_of(c));
  if (op == "bce_with_logits") return tenzo::bce_with_logits(x[0], number_tensor<V>(c.fixed.at(0)), reduction_of(c));
  if (op == "kl_div") {
    const bool batch_mean = c.attrs.value("reduction", "batchmean") == "batchmean";
    const auto reduction = batch_mean ? tenzo::KlReduction::batch_mean : tenzo::KlReduction(1 + int(reduction_of(c)));
    return tenzo::kl_div(x[0], x[1], reduction);
  }
  if (op == "cross_entropy") {
    const tenzo::CrossEntropyOptions options{reduction_of(c), c.attrs.value("ignore_index", std::int64_t(-100)),
                                             c.attrs.value("label_smoothing", 0.0)};
    V logits = x[0];  // classes stand on axis 1, or on the only one
    if (const int rank = logits.shape().rank(); rank > 2) {
      tenzo::Axes order{0};
      for (int i = 2; i < rank; ++i) order.push_back(i);
      order.push_back(1);
      logits = tenzo::permute(logits, order);
    }
    return tenzo::cross_entropy(logits, c.fixed.at(0), options);
  }
  return std::nullopt;
}

#define GOLDEN_INSTANTIATE(V) template std::optional<V> losses<V>(const Case&, const std::vector<V>&);
GOLDEN_FOR_EACH_VALUE(GOLDEN_INSTANTIATE)

}  // namespace golden
