// Weights read through perturbations, and steps along directions.
#define TENZO_DEFINES_zo 1

#include "tenzo/zo/cpu/descent.hpp"
#include "tenzo/zo/cpu/weights.hpp"
#include "tenzo/zo/extern.hpp"
