// Sums, in a sound form and with the faults that reductions have in the wild. Blocks of whole warps.
#pragma once

#include <cmath>
#include <cstdint>

#include "device.hpp"

namespace tenzo::faults {

using namespace cuda;

enum class Seed {
  none,
  bound,            // `<=` for `<`
  missing_barrier,  // between writing and reading
  early_exit,       // threads with nothing to do leave before the barrier
  scratch_reuse,    // no barrier between two uses of the same scratch
  no_atomic,        // x += y by many
  no_fence,         // of the two around a ticket
};

/// Sum of v over the block, for all its threads. `scratch` has a place for each warp, and can be used again at once.
template <Seed S = Seed::none>
TENZO_DEVICE float block_sum(float v, float* scratch) {
  TENZO_UNROLL
  for (int d = 16; d > 0; d /= 2) v += __shfl_xor_sync(all_lanes, v, d);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;  // fault: scratch write
  if constexpr (S != Seed::missing_barrier) __syncthreads();
  float sum = 0;
  for (unsigned i = 0; i < blockDim.x / 32; ++i) sum += scratch[i];  // fault: scratch read
  if constexpr (S != Seed::scratch_reuse) __syncthreads();
  return sum;
}

/// y[block] = Σ x over what the block's threads meet in steps of the grid.
template <Seed S = Seed::none>
struct BlockSums {
  const float* x;
  float* y;
  std::int64_t n;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, scratch, [max_threads / 32]);
    if constexpr (S == Seed::early_exit)
      if (thread_in_grid() >= n) return;
    float sum = 0;
    if constexpr (S == Seed::bound)
      for (std::int64_t i = thread_in_grid(); i <= n; i += threads_of_grid()) sum += x[i];  // fault: bound
    else
      for (std::int64_t i = thread_in_grid(); i < n; i += threads_of_grid()) sum += load(x + i);
    sum = block_sum<S>(sum, scratch);
    if (threadIdx.x == 0) store(y + blockIdx.x, sum);
  }
};

/// A row of y, for each block: that of x with mean 0 and variance 1.
template <Seed S = Seed::none>
struct StandardiseRows {
  const float* x;
  float* y;
  std::int64_t n;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, scratch, [max_threads / 32]);
    const float* const row = x + blockIdx.x * n;
    float sum = 0, squares = 0;
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += load(row + i);
    const float mean = block_sum<S>(sum, scratch) / float(n);
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x) {
      const float d = load(row + i) - mean;
      squares += d * d;
    }
    const float scale = 1 / std::sqrt(block_sum<S>(squares, scratch) / float(n) + 1e-5f);
    for (std::int64_t i = threadIdx.x; i < n; i += blockDim.x)
      store(y + blockIdx.x * n + i, (load(row + i) - mean) * scale);
  }
};

/// *y += Σ x, an atomic addition for each thread whose number is a multiple of `every`.
template <Seed S = Seed::none>
struct AddAll {
  const int* x;
  int* y;
  std::int64_t n;
  unsigned every;
  static constexpr int max_threads = 1024;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= n || threadIdx.x % every != 0) return;
    if constexpr (S == Seed::no_atomic) *y += load(x + i);  // fault: no atomic
    else atomicAdd(y, load(x + i));
  }
};

/// *y = Σ x by any number of blocks in one launch: who draws the last ticket adds the parts of the others.
template <Seed S = Seed::none>
struct TicketSum {
  const float* x;
  float *parts, *y;
  unsigned* ticket;
  std::int64_t n;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, scratch, [max_threads / 32]);
    TENZO_SHARED(bool, last);
    const std::int64_t i = thread_in_grid();
    const float part = block_sum(i < n ? load(x + i) : 0.0f, scratch);
    if (threadIdx.x == 0) {
      store(parts + blockIdx.x, part);
      if constexpr (S != Seed::no_fence) __threadfence();
      last = atomicAdd(ticket, 1u) == gridDim.x - 1;
      if constexpr (S != Seed::no_fence) __threadfence();
    }
    __syncthreads();
    if (!last) return;  // the whole block
    float sum = 0;
    for (unsigned b = threadIdx.x; b < gridDim.x; b += blockDim.x) sum += load(parts + b);  // fault: no fence
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) store(y, sum);
  }
};

/// y[i] = x[0] + … + x[i], by one block.
template <Seed S = Seed::none>
struct Scan {
  const int* x;
  int* y;
  int n;
  static constexpr int max_threads = 256;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(int, sums, [max_threads]);
    const int t = int(threadIdx.x), threads = int(blockDim.x);
    int before = 0;
    for (int start = 0; start < n; start += threads) {
      sums[t] = start + t < n ? load(x + start + t) : 0;
      __syncthreads();
      for (int d = 1; d < threads; d *= 2) {
        const int other = t >= d ? sums[t - d] : 0;
        if constexpr (S != Seed::missing_barrier) __syncthreads();
        sums[t] += other;  // fault: scan write
        __syncthreads();
      }
      if (start + t < n) store(y + start + t, before + sums[t]);
      before += sums[threads - 1];
      __syncthreads();
    }
  }
};

}  // namespace tenzo::faults
