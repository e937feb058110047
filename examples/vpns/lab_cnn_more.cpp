#include "lab_more_of.hpp"
#include "tenzo/models/small_cnn.hpp"

namespace vpns {

VPNS_MORE(SmallCnn)

}  // namespace vpns
