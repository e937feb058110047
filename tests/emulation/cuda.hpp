// CUDA for a plain C++ compiler: what kernels/ need of it, strict about everything that CUDA leaves undefined.
//
// It is sequential: a launch runs when somebody waits for it, block after block, and of a block one thread at a time,
// which is left only where CUDA lets threads wait for each other. So runs are reproducible, under schedules that a test
// chooses (schedule.hpp), and the same sources run under the address, undefined-behaviour and thread sanitizers.
#pragma once

#include "intrinsics.hpp"
#include "report.hpp"
#include "runtime.hpp"
#include "runtime_memory.hpp"
#include "runtime_streams.hpp"
#include "threads.hpp"

#ifndef TENZO_EMULATION_LIBRARY
#include "access.cpp"
#include "block.cpp"
#include "memory.cpp"
#include "report.cpp"
#include "runtime.cpp"
#include "runtime_memory.cpp"
#include "runtime_streams.cpp"
#include "streams.cpp"
#include "threads.cpp"
#endif
