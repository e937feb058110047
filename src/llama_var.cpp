// LLaMA's forward pass recorded for reverse mode.
#define TENZO_DEFINES_llama_var 1

#include "tenzo/models/llama.hpp"
