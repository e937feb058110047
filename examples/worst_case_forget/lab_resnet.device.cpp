#include "lab_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace worst_case {

template <class Device>
std::unique_ptr<Lab> resnet_lab(const DataSet& data, const Recipe& recipe, const Samples<float>* held_out,
                                bool pooled) {
  ResNetConfig config;
  config.channels = data.train.x.shape()[1];
  config.classes = data.train.classes;
  config.cifar_stem = !pooled;
  const auto spec = resnet_spec(config);
  return std::make_unique<LabOf<ResNet, Device>>(data, recipe, held_out, spec);
}

template std::unique_ptr<Lab> resnet_lab<TENZO_DEVICE>(const DataSet&, const Recipe&, const Samples<float>*, bool);

}  // namespace worst_case
