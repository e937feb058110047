#include "lab_host_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_HOST(ResNet)

}  // namespace vpns
