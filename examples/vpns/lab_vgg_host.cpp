#include "lab_host_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_HOST(Vgg)

}  // namespace vpns
