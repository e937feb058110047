#include "lab_of.hpp"
#include "tenzo/models/mlp.hpp"

namespace worst_case {

template <class Device>
std::unique_ptr<Lab> mlp_lab(const DataSet& data, const Recipe& recipe, const Samples<float>* held_out) {
  const auto spec = mlp_spec({.widths = {data.train.x.shape().inner(0), 64, data.train.classes}});
  return std::make_unique<LabOf<Mlp, Device>>(data, recipe, held_out, spec);
}

template std::unique_ptr<Lab> mlp_lab<TENZO_DEVICE>(const DataSet&, const Recipe&, const Samples<float>*);

}  // namespace worst_case
