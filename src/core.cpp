// Stored tensors, noise, products, errors.
#define TENZO_DEFINES_core 1

#include "tenzo/core/extern.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/stored.hpp"
