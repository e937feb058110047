// GGUF files, logs of runs, and how files are read and written.
#define TENZO_DEFINES_files 1

#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/gguf.hpp"
#include "tenzo/io/gguf_writer.hpp"
#include "tenzo/io/mapped_file.hpp"
#include "tenzo/io/named_tensors.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/zo/log.hpp"
