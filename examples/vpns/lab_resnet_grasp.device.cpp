#include "lab_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_GRASP(, ResNet)

}  // namespace vpns
