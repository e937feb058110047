#include "queries_of.hpp"
#include "tenzo/models/resnet.hpp"

namespace vpns {

VPNS_QUERIES(, ResNet)

}  // namespace vpns
