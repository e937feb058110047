#include "lab_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_BASELINES(, ResNet)

}  // namespace vpns
