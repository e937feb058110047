#include "lab_host_of.hpp"
#include "tenzo/models/small_cnn.hpp"

namespace vpns {

VPNS_HOST(SmallCnn)

}  // namespace vpns
