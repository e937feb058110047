#include "lab_more_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_MORE(Vgg)

}  // namespace vpns
