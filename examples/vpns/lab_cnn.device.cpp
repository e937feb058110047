#include "lab_of.hpp"
#include "tenzo/models/small_cnn.hpp"

namespace vpns {

VPNS_BASELINES(extern, SmallCnn)
VPNS_GRASP(extern, SmallCnn)
VPNS_QUERIES(extern, SmallCnn)

template <class Device>
std::unique_ptr<Lab> cnn_lab(const NetOptions& o) {
  SmallCnnConfig config;
  config.channels = o.channels;
  config.image = {o.image, o.image};
  config.classes = o.classes;
  config.blocks = {16, 32, 64};
  config.norm = true;
  return std::make_unique<LabOf<SmallCnn, Device>>(o, small_cnn_spec(config), "fc.0.weight", true);
}

template std::unique_ptr<Lab> cnn_lab<TENZO_DEVICE>(const NetOptions&);

}  // namespace vpns
