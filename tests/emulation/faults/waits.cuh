// Threads that wait for each other in ways that CUDA leaves undefined.
#pragma once

#include "device.hpp"

namespace tenzo::faults {

using namespace cuda;

enum class Wait {
  divergent_barriers,  // both branches have one
  divergent_on_a_line,
  different_counts,  // of barriers in a loop
  early_exit,
  mixed_kinds,  // __syncthreads here, __syncthreads_or there
  deadlock,     // half a block waits for the other at a barrier, that for the first in its warp
  not_in_mask,  // who calls is not in its mask
  exited_lane,
  beyond_the_block,  // the mask names lanes that the block has not
  outside_the_mask,  // a shuffle reads from there
  two_places,        // the lanes of one mask call in two branches
  two_masks,         // lanes disagree about who meets
  bad_width,
};

template <Wait W>
struct WaitWrong {
  int* y;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    const int t = int(threadIdx.x), lane = t % 32;
    int v = t;
    if constexpr (W == Wait::divergent_barriers) {
      if (t < 8) __syncthreads();  // fault: divergent_barriers
      else __syncthreads();
    }
    if constexpr (W == Wait::divergent_on_a_line) {
      // clang-format off
      if (t < 8) { __syncthreads(); } else { __syncthreads(); }  // fault: divergent_on_a_line
      // clang-format on
    }
    if constexpr (W == Wait::different_counts) {
      for (int i = 0; i < 2 + (t < 8); ++i) __syncthreads();  // fault: different_counts
      __syncthreads();
    }
    if constexpr (W == Wait::early_exit) {
      if (t == 5) return;
      __syncthreads();  // fault: early_exit
    }
    if constexpr (W == Wait::mixed_kinds) {
      if (t < 8) __syncthreads();  // fault: mixed_kinds
      else v = __syncthreads_or(t);
    }
    if constexpr (W == Wait::deadlock) {
      if (lane < 16) v = __shfl_sync(all_lanes, v, 0);  // fault: deadlock
      else __syncthreads();
    }
    if constexpr (W == Wait::not_in_mask) v = __shfl_sync(0xffffu, v, 0);  // fault: not_in_mask
    if constexpr (W == Wait::exited_lane) {
      if (lane >= 16) return;
      v += __shfl_xor_sync(all_lanes, v, 1);  // fault: exited_lane
    }
    if constexpr (W == Wait::beyond_the_block) __syncwarp();  // fault: beyond_the_block
    if constexpr (W == Wait::outside_the_mask) {
      if (lane < 16) v = __shfl_sync(0xffffu, v, 16);  // fault: outside_the_mask
    }
    if constexpr (W == Wait::two_places) {
      if (lane < 16) v = __shfl_sync(all_lanes, v, 0);  // fault: two_places
      else v = __shfl_sync(all_lanes, v, 1);
    }
    if constexpr (W == Wait::two_masks)
      v = __shfl_sync(lane < 16 ? all_lanes : 0xffff0000u, v, lane);           // fault: two_masks
    if constexpr (W == Wait::bad_width) v = __shfl_sync(all_lanes, v, 0, 12);  // fault: bad_width
    store(y + t, v);
  }
};

/// Lanes exchange through shared memory, and only the warp waits: enough where `synchronised`.
template <bool synchronised>
struct WarpExchange {
  int* y;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(int, values, [max_threads]);
    const unsigned t = threadIdx.x;
    values[t] = int(t);  // fault: warp exchange
    if constexpr (synchronised) __syncwarp();
    else __shfl_sync(all_lanes, int(t), 0);  // waits, but orders no memory
    store(y + t, values[t ^ 1]);
  }
};

}  // namespace tenzo::faults
