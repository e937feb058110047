#include "lab_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_BASELINES(extern, ResNet)
VPNS_GRASP(extern, ResNet)
VPNS_QUERIES(extern, ResNet)

template <class Device>
std::unique_ptr<Lab> resnet_lab(const NetOptions& o) {
  ResNetConfig config = o.arch == "resnet50" ? ResNetConfig::resnet50() : ResNetConfig::resnet18();
  config.channels = o.channels;
  config.classes = o.classes;
  config.cifar_stem = o.image < 64;
  return std::make_unique<LabOf<ResNet, Device>>(o, resnet_spec(config), "fc.weight", false);
}

template std::unique_ptr<Lab> resnet_lab<TENZO_DEVICE>(const NetOptions&);

}  // namespace vpns
