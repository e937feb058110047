// Batches, configurations and adapters of models.
#define TENZO_DEFINES_models 1

#include "tenzo/models/adapters.hpp"
#include "tenzo/models/generation.hpp"
#include "tenzo/models/llama.hpp"
