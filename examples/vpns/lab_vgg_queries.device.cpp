#include "queries_of.hpp"
#include "tenzo/models/vgg.hpp"

namespace vpns {

VPNS_QUERIES(, Vgg)

}  // namespace vpns
