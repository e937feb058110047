#include "lab_of.hpp"
#include "tenzo/models/mlp.hpp"

namespace worst_case {

std::unique_ptr<Lab> mlp_lab(const DataSet& data, const Recipe& recipe, const Samples<float>* held_out) {
  const auto spec = mlp_spec({.widths = {data.train.x.shape().inner(0), 64, data.train.classes}});
  return std::make_unique<LabOf<Mlp<Tensor<float>>>>(
      data, recipe, held_out, [spec](std::uint64_t seed) { return initialised<float>(spec, seed); });
}

}  // namespace worst_case
