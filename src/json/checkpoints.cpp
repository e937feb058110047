// Models read from files and written to them.
#define TENZO_DEFINES_checkpoints 1

#include "tenzo/models/gguf_export.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/models/llama_config.hpp"
#include "tenzo/models/llama_export.hpp"
#include "tenzo/models/llama_gguf.hpp"
#include "tenzo/models/peft_export.hpp"
