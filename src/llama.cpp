// LLaMA's forward pass on plain and on probed floats.
#define TENZO_DEFINES_llama 1

#include "tenzo/models/llama.hpp"
