#include "lab_more_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_MORE(ResNet)

}  // namespace vpns
