#include "lab_of.hpp"
#include "tenzo/models/small_cnn.hpp"

namespace vpns {

VPNS_GRASP(, SmallCnn)

}  // namespace vpns
