// What a row's label makes of its target.
#pragma once

#include <cstdint>

namespace tenzo {

struct CrossEntropyTarget {
  std::int64_t ignore_index = -100;  // rows with this label have no loss and no gradient
  double smoothing = 0;              // the share of the target that is spread over all classes
};

}  // namespace tenzo
