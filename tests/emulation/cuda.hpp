// CUDA for a plain C++ compiler: what kernels/ need of it, strict about everything that CUDA leaves undefined.
//
// It is sequential: a launch runs when somebody waits for it, block after block, and of a block one thread at a time,
// which is left only where CUDA lets threads wait for each other. So runs are reproducible, under schedules that a test
// chooses (schedule.hpp), and the same sources run under the address, undefined-behaviour and thread sanitizers.
//
//     found in any build       barriers that not all threads of a block reach at one place, deadlocks, lanes of a mask
//     that
//                              do not meet, shuffles from outside the mask; loads, stores and atomics outside of the
//                              device's memory or not aligned; launches, copies, frees and captures that CUDA refuses;
//                              errors that nobody asked for, leaks; as NaN, what is read before it is written; as other
//                              values under some schedule, missing barriers, events and synchronisations
//     address sanitizer        plain accesses outside of an array, shared ones at either end
//     thread sanitizer         races: within a warp, a block, a grid, between streams, with the host
//
// Not modelled: speed, caches, bank conflicts and coalescing; the weak order of memory (between two switches all see
// the same; a fence orders more than CUDA's); warps in lock step; two blocks at a time, so that a block that waits for
// another never ends; asynchronous copies within kernels, tensor cores, clusters, textures, constant memory; more than
// one device, and peers; the limits of registers.
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
