#include "lab_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_BASELINES(extern, Vgg)
VPNS_GRASP(extern, Vgg)
VPNS_QUERIES(extern, Vgg)

template <class Device>
std::unique_ptr<Lab> vgg_lab(const NetOptions& o) {
  VggConfig config;
  config.channels = o.channels;
  config.classes = o.classes;
  config.small_images = o.image < 64;
  // Its tree names relus and poolings, too; channels are not taken out of it.
  return std::make_unique<LabOf<Vgg, Device>>(o, vgg_spec(config),
                                              config.small_images ? "classifier.weight" : "classifier.6.weight", false);
}

template std::unique_ptr<Lab> vgg_lab<TENZO_DEVICE>(const NetOptions&);

}  // namespace vpns
