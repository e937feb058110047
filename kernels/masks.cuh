// Which elements of a matrix are the smallest, by counting digits of their keys; and masks applied.
//
// Nothing goes to the host: what one kernel finds, the next one reads. Counts are integers, so their order is free.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "device.hpp"
#include "noise.cuh"
#include "quantized.cuh"
#include "reduce.hpp"
#include "tenzo/cuda/masks.hpp"

namespace tenzo::cuda {

namespace detail {

/// Values that are compared: of a stored matrix, or of uniform noise.
template <class Source>
struct StoredValues {
  Source w;
  TENZO_DEVICE void read(std::uint32_t row, std::int64_t col, float (&v)[4]) const {
    w.decode(w.fetch(std::int64_t(row), col), col, v);
  }
};
struct UniformValues {
  DeviceStream stream;
  std::uint32_t row_blocks;
  TENZO_DEVICE void read(std::uint32_t row, std::int64_t col, float (&v)[4]) const {
    uniform_numbers(stream.block(row * row_blocks + std::uint32_t(col / 4)), v);
  }
};

/// Sorts as the magnitude does.
TENZO_DEVICE inline std::uint32_t order_key(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu; }

/// Σ of v over the threads before this one, and over all of them; a block of 2ᵏ >= 32 threads.
///   Shared memory  32 T, free again on return: it ends with a barrier.
template <class T>
struct Scan {
  T before, total;
};
template <class T>
TENZO_DEVICE Scan<T> block_scan(T v, int thread, int threads) {
  TENZO_SHARED(T, sums, [32]);
  const int lane = thread % 32, warp = thread / 32;
  T sum = v;
  for (int by = 1; by < 32; by *= 2) {
    const T other = __shfl_up_sync(all_lanes, sum, unsigned(by));
    if (lane >= by) sum += other;
  }
  if (lane == 31) sums[warp] = sum;
  __syncthreads();
  T before = 0, total = 0;
  for (int w = 0; w < threads / 32; ++w) {
    if (w < warp) before += sums[w];
    total += sums[w];
  }
  __syncthreads();
  return {before + sum - v, total};
}

/// What is known of the key of rank `count`: its upper digits, and how many keys are below all that begin with them.
struct RankState {
  std::uint32_t key;
  unsigned long long below;
};

/// Keys have 31 bits, in three digits.
inline constexpr int most_bins = 2048, key_digits = 3;
struct Digit {
  int shift, bits;
};
TENZO_HOST_DEVICE constexpr Digit digit(int i) {
  return i == 0 ? Digit{20, 11} : i == 1 ? Digit{10, 10} : Digit{0, 10};
}

/// counts[d] += the number of keys with the digit d, of those whose upper digits are the state's.
///   Mapping  a thread fours of neighbours, a grid apart; a block counts in shared memory, 8 KiB, and adds what it has
///            counted at its end.
///   Bound by memory, and where many keys are alike by the atomics of shared memory.
template <class Values>
struct CountDigitsKernel {
  static constexpr int max_threads = 256;
  Values values;
  NoiseShape shape;
  int which;
  const RankState* state;
  unsigned long long* counts;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(unsigned, here, [most_bins]);
    const Digit d = digit(which);
    const int bins = 1 << d.bits, upper = d.shift + d.bits;
    for (int i = thread_in_block(); i < bins; i += max_threads) here[i] = 0;
    __syncthreads();
    const std::uint32_t prefix = which > 0 ? load(&state->key) >> upper : 0u;
    for (std::int64_t q = thread_in_grid(); q < Quad::runs(shape); q += threads_of_grid()) {
      const Quad at(q, shape);
      float v[4];
      values.read(at.row, at.col, v);
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j) {
        const std::uint32_t key = order_key(v[j]);
        if (j < at.count && (which == 0 || key >> upper == prefix))
          atomicAdd(&here[key >> d.shift & std::uint32_t(bins - 1)], 1u);
      }
    }
    __syncthreads();
    for (int i = thread_in_block(); i < bins; i += max_threads)
      if (here[i] != 0) atomicAdd(counts + i, (unsigned long long)here[i]);
  }
};

/// The digit of the key of rank `count`: the state's next one. Empties the counts.
///   Mapping  a block alone, eight bins a thread.
struct PickDigitKernel {
  static constexpr int max_threads = 256, bins_each = most_bins / max_threads;
  int which;
  unsigned long long count;
  RankState* state;
  unsigned long long* counts;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block(), first = thread * bins_each;
    const unsigned long long before = which > 0 ? load(&state->below) : 0;
    unsigned long long mine[bins_each], sum = 0;
    TENZO_UNROLL
    for (int i = 0; i < bins_each; ++i) {
      mine[i] = load(counts + first + i), sum += mine[i];
      store(counts + first + i, 0ull);
    }
    const Scan<unsigned long long> scan = block_scan(sum, thread, max_threads);
    unsigned long long below = before + scan.before;
    if (below >= count || below + sum < count) return;
    TENZO_UNROLL
    for (int i = 0; i < bins_each; ++i) {
      if (below < count && below + mine[i] >= count) {
        const std::uint32_t upper = which > 0 ? load(&state->key) : 0u;
        store(&state->key, upper | std::uint32_t(first + i) << digit(which).shift);
        store(&state->below, below);
      }
      below += mine[i];
    }
  }
};

/// Elements whose ties are counted together, in fours.
inline constexpr int chunk_fours = 1024;

/// ties[c] = the keys of chunk c that are equal to the one of rank `count`.
///   Mapping  a block a chunk, in order. Bound by memory.
template <class Values>
struct CountTiesKernel {
  static constexpr int max_threads = 256;
  Values values;
  NoiseShape shape;
  const RankState* state;
  unsigned long long* ties;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const std::uint32_t key = load(&state->key);
    unsigned sum = 0;
    for (int i = thread; i < chunk_fours; i += max_threads) {
      const Quad at(std::int64_t(blockIdx.x) * chunk_fours + i, shape);
      float v[4] = {};
      if (at.count > 0) values.read(at.row, at.col, v);
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j) sum += j < at.count && order_key(v[j]) == key;
    }
    sum = block_sum(sum, thread, max_threads);
    if (thread == 0) store(ties + blockIdx.x, (unsigned long long)sum);
  }
};

/// x[i] ← Σ of those before it.  A block alone, which goes through them.
struct ScanKernel {
  static constexpr int max_threads = 1024;
  std::int64_t n;
  unsigned long long* x;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    unsigned long long carry = 0;
    for (std::int64_t i = thread; i - thread < n; i += max_threads) {
      const Scan<unsigned long long> scan = block_scan(i < n ? load(x + i) : 0ull, thread, max_threads);
      if (i < n) store(x + i, carry + scan.before);
      carry += scan.total;
    }
  }
};

/// to = 1 for the keys below the one of rank `count`, and for as many of its equals as there is room for, in order.
///   Mapping  a block a chunk, 256 fours at a time. Bound by memory.
template <class Values>
struct MarkKernel {
  static constexpr int max_threads = 256;
  Values values;
  NoiseShape shape;
  bool wide;
  unsigned long long count;
  const RankState* state;
  const unsigned long long* ties;  // before each chunk
  std::uint8_t* to;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const std::uint32_t key = load(&state->key);
    const unsigned long long room = count - load(&state->below);
    unsigned long long before = load(ties + blockIdx.x);
    for (int i = thread; i < chunk_fours; i += max_threads) {
      const Quad at(std::int64_t(blockIdx.x) * chunk_fours + i, shape);
      float v[4] = {};
      if (at.count > 0) values.read(at.row, at.col, v);
      std::uint32_t keys[4];
      unsigned mine = 0;
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j) keys[j] = order_key(v[j]), mine += j < at.count && keys[j] == key;
      const Scan<unsigned> scan = block_scan(mine, thread, max_threads);
      unsigned long long rank = before + scan.before;
      before += scan.total;
      std::uint32_t marks[4];
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j) marks[j] = keys[j] < key || (keys[j] == key && rank++ < room);
      store_run(to + at.offset(shape), wide, at.count, marks, [](std::uint32_t m, int) { return std::uint8_t(m); });
    }
  }
};

/// x[i] ← x[i] (mask[i] != 0).  A thread an element; bound by memory.
template <Real T>
struct ApplyMaskKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  const std::uint8_t* mask;
  T* x;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i < n) store(x + i, load(x + i) * (load(mask + i) ? T(1) : T(0)));
  }
};

template <class Values>
void mark_smallest_of(const Values& values, const NoiseShape& shape, std::int64_t count, std::uint8_t* to) {
  require_noise(Law::uniform, shape.rows, shape.cols);
  const std::int64_t n = shape.rows * shape.cols, quads = Quad::runs(shape);
  require(count <= n, "masks: ", count, " of ", n, " elements");
  if (n == 0) return;
  if (count <= 0) return set_bytes(to, 0, std::size_t(n));
  const std::int64_t chunks = ceil_div(quads, chunk_fours);
  const auto wanted = static_cast<unsigned long long>(count);
  const DeviceArray<RankState> state(1);
  const DeviceArray<unsigned long long> counts(most_bins), ties(chunks);
  set_bytes(counts.data(), 0, most_bins * sizeof(unsigned long long));
  using Count = CountDigitsKernel<Values>;
  for (int i = 0; i < key_digits; ++i) {
    launch(Count{values, shape, i, state.data(), counts.data()},
           blocks_for(quads, Count::max_threads, resident_blocks(Count::max_threads)), Count::max_threads);
    launch(PickDigitKernel{i, wanted, state.data(), counts.data()}, 1, PickDigitKernel::max_threads);
  }
  launch(CountTiesKernel<Values>{values, shape, state.data(), ties.data()}, chunks, 256);
  launch(ScanKernel{chunks, ties.data()}, 1, ScanKernel::max_threads);
  launch(
      MarkKernel<Values>{values, shape, whole_runs<4, std::uint8_t>(shape.cols, static_cast<const std::uint8_t*>(to)),
                         wanted, state.data(), ties.data(), to},
      chunks, 256);
}

}  // namespace detail

template <std::same_as<Device> D>
void mark_smallest(D, const StoredMatrix& w, std::int64_t count, std::uint8_t* to) {
  detail::with_source(w, [&](const auto& source) {
    detail::mark_smallest_of(detail::StoredValues<std::remove_cvref_t<decltype(source)>>{source}, {w.rows, w.cols},
                             count, to);
  });
}

template <std::same_as<Device> D>
void mark_smallest(D, const NoiseKey& key, std::int64_t rows, std::int64_t cols, std::int64_t count, std::uint8_t* to) {
  const detail::NoiseShape shape{rows, cols};
  detail::mark_smallest_of(detail::UniformValues{detail::DeviceStream(key), shape.blocks(4)}, shape, count, to);
}

template <Real T>
void apply_mask_(Device, std::int64_t n, const std::uint8_t* mask, T* x) {
  if (n > 0) launch(detail::ApplyMaskKernel<T>{n, mask, x}, blocks_for(n, 256), 256);
}

}  // namespace tenzo::cuda
