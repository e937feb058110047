// Tokenizers but for those that are read from JSON.
#define TENZO_DEFINES_text 1

#include "tenzo/io/tokenizer.hpp"
#include "tenzo/io/tokenizer/gguf.hpp"
#include "tenzo/io/tokenizer/lists.hpp"
#include "tenzo/io/tokenizer/spm.hpp"
#include "tenzo/io/tokenizer/vocab_txt.hpp"
