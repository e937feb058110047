// Files that are JSON or hold some: safetensors, tokenizer.json.
#define TENZO_DEFINES_json 1

#include "tenzo/io/json.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/safetensors_writer.hpp"
#include "tenzo/io/tokenizer/folder.hpp"
#include "tenzo/io/tokenizer/gguf_export.hpp"
#include "tenzo/io/tokenizer/json.hpp"
