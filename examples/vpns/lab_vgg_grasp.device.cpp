#include "lab_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_GRASP(, Vgg)

}  // namespace vpns
