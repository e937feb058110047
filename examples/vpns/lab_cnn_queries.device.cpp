#include "queries_of.hpp"
#include "tenzo/models/small_cnn.hpp"

namespace vpns {

VPNS_QUERIES(, SmallCnn)

}  // namespace vpns
