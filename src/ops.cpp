// Loops of operations, and tables that they read.
#define TENZO_DEFINES_ops 1

#include "tenzo/ops/extern.hpp"
#include "tenzo/ops/rope.hpp"
