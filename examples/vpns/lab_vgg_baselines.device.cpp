#include "lab_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_BASELINES(, Vgg)

}  // namespace vpns
