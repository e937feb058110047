// What optimizers do with the elements of one tensor, and sums over elements.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "device.hpp"
#include "memory.cuh"
#include "reduce.hpp"
#include "tenzo/cuda/update.hpp"

namespace tenzo::cuda {

namespace detail {

/// One step with momentum.  A thread `width` neighbours; bound by memory: three numbers read, two written.
template <class T, int width>
struct MomentumKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  MomentumUpdate<T> u;
  const T* g;
  T *m, *w;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid() * width;
    if (i >= n) return;
    const Pack<T, width> slope = load<width>(g + i);
    Pack<T, width> mean = load<width>(m + i), x = load<width>(w + i);
    TENZO_UNROLL
    for (int k = 0; k < width; ++k) {
      const T d = slope[k] + u.decay * x[k];
      mean[k] = u.mu * mean[k] + d;
      x[k] -= u.rate * (u.ahead ? d + u.mu * mean[k] : mean[k]);
    }
    store<width>(m + i, mean);
    store<width>(w + i, x);
  }
};

/// One step of Adam.  A thread `width` neighbours; bound by memory: four numbers read, three written.
template <class T, int width>
struct AdamKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  AdamUpdate<T> u;
  const T* g;
  T *m, *v, *largest, *w;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid() * width;
    if (i >= n) return;
    const Pack<T, width> slope = load<width>(g + i);
    Pack<T, width> mean = load<width>(m + i), square = load<width>(v + i), x = load<width>(w + i);
    TENZO_UNROLL
    for (int k = 0; k < width; ++k) {
      mean[k] = u.b1 * mean[k] + u.c1 * slope[k];
      square[k] = u.b2 * square[k] + u.c2 * slope[k] * slope[k];
    }
    store<width>(m + i, mean);
    store<width>(v + i, square);
    if (largest) {
      const Pack<T, width> top = load<width>(largest + i);
      TENZO_UNROLL
      for (int k = 0; k < width; ++k) square[k] = top[k] > square[k] ? top[k] : square[k];
      store<width>(largest + i, square);
    }
    TENZO_UNROLL
    for (int k = 0; k < width; ++k)
      x[k] -= u.mean_scale * mean[k] / (std::sqrt(square[k]) * u.root_scale + u.eps) + u.decay * x[k];
    store<width>(w + i, x);
  }
};

/// Calls run(width, first, count): for what packs of 16 bytes hold of n elements where all are aligned, and one by one
/// for the others.
template <class T, class F>
void by_packs(std::int64_t n, F&& run, std::same_as<const T*> auto... p) {
  constexpr int wide = int(16 / sizeof(T));
  const std::int64_t whole = (is_aligned<wide>(p) && ...) ? n / wide * wide : 0;
  if (whole > 0) run(std::integral_constant<int, wide>(), std::int64_t(0), whole);
  if (whole < n) run(std::integral_constant<int, 1>(), whole, n - whole);
}

/// Σ a b of runs of 4096 elements, in the order of the CPU: sixteen partial sums, each of every sixteenth element.
///   Mapping  a thread a partial sum, with eight elements of each under way; joined by shuffles.
///   Bound by memory where there are many runs; a run alone takes the time of 256 additions and 32 loads.
template <class T>
struct DotKernel {
  static constexpr int max_threads = 256, lanes = 16, length = 4096, batch = 8;
  std::int64_t n;
  const T *a, *b;
  T* sums;

  TENZO_DEVICE void operator()() const {
    const std::int64_t run = thread_in_grid() / lanes, begin = run * length;
    const std::int64_t end = begin + length < n ? begin + length : n;
    const int lane = thread_in_block() % lanes;
    T part = T(0);
    for (std::int64_t i = begin + lane; i < end; i += batch * lanes) {
      T x[batch], y[batch];
      TENZO_UNROLL
      for (int k = 0; k < batch; ++k) {
        const std::int64_t at = i + k * lanes;
        x[k] = at < end ? load(a + at) : T(0), y[k] = at < end ? load(b + at) : T(0);
      }
      TENZO_UNROLL
      for (int k = 0; k < batch; ++k) part += x[k] * y[k];
    }
    for (int half = lanes / 2; half > 0; half /= 2) part += __shfl_down_sync(all_lanes, part, unsigned(half), lanes);
    if (lane == 0 && begin < n) store(sums + run, part);
  }
};

/// Squares of what is small, of middle size and large apart, the outer two scaled: none vanishes or overflows.
///   Source  Blue 1978.
template <class T>
struct SquareSums {
  T small, middle, large;

  static constexpr T low = T(0x1p-40), high = T(0x1p40), up = T(0x1p60), down = T(0x1p-60);

  TENZO_DEVICE void add(T x) {
    const T a = std::abs(x);
    if (a < low) small += x * up * (x * up);
    else if (a > high) large += x * down * (x * down);
    else middle += x * x;
  }
  template <class F>
  TENZO_DEVICE SquareSums each(F f) const {
    return {f(small), f(middle), f(large)};
  }
  TENZO_DEVICE SquareSums join(const SquareSums& o) const {
    return {small + o.small, middle + o.middle, large + o.large};
  }
};

/// The three sums of a piece.  A block a piece of `length` elements, its threads 256 apart; bound by memory.
template <class T>
struct SquaresKernel {
  static constexpr int max_threads = 256;
  std::int64_t n, length;
  const T* x;
  T* sums;  // (pieces, 3)

  TENZO_DEVICE void operator()() const {
    const std::int64_t begin = std::int64_t(blockIdx.x) * length, end = begin + length < n ? begin + length : n;
    SquareSums<T> part{T(0), T(0), T(0)};
    for (std::int64_t i = begin + threadIdx.x; i < end; i += max_threads) part.add(load(x + i));
    part = block_reduce(part, Join{}, thread_in_block(), max_threads);
    if (threadIdx.x == 0) {
      store(sums + 3 * blockIdx.x, part.small);
      store(sums + 3 * blockIdx.x + 1, part.middle);
      store(sums + 3 * blockIdx.x + 2, part.large);
    }
  }
};

/// Elements of a piece of a sum, by n alone: at most 1024 pieces, of 4096 elements or more.
inline std::int64_t piece_length(std::int64_t n) { return std::max<std::int64_t>(4096, ceil_div(n, 1024)); }

}  // namespace detail

template <Real T>
void momentum_update(Device, std::int64_t n, const MomentumUpdate<T>& u, const T* g, T* m, T* w) {
  const auto run = [&]<int width>(std::integral_constant<int, width>, std::int64_t i, std::int64_t count) {
    launch(detail::MomentumKernel<T, width>{count, u, g + i, m + i, w + i}, blocks_for(count, 256 * width), 256);
  };
  detail::by_packs<T>(n, run, g, static_cast<const T*>(m), static_cast<const T*>(w));
}

template <Real T>
void adam_update(Device, std::int64_t n, const AdamUpdate<T>& u, const T* g, T* m, T* v, T* largest, T* w) {
  const auto run = [&]<int width>(std::integral_constant<int, width>, std::int64_t i, std::int64_t count) {
    launch(detail::AdamKernel<T, width>{count, u, g + i, m + i, v + i, largest ? largest + i : nullptr, w + i},
           blocks_for(count, 256 * width), 256);
  };
  detail::by_packs<T>(n, run, g, static_cast<const T*>(m), static_cast<const T*>(v), static_cast<const T*>(largest),
                      static_cast<const T*>(w));
}

template <class T>
double dot_elements(Device, std::int64_t n, const T* a, const T* b) {
  using K = detail::DotKernel<T>;
  if (n == 0) return 0;
  const std::int64_t runs = ceil_div(n, K::length);
  const DeviceArray<T> sums(runs);
  launch(K{n, a, b, sums.data()}, blocks_for(runs * K::lanes, K::max_threads), K::max_threads);
  double total = 0;
  for (const T s : sums.to_host()) total += double(s);
  return total;
}

template <class T>
double squares_of(Device, std::int64_t n, const T* x) {
  if (n == 0) return 0;
  const std::int64_t length = detail::piece_length(n), pieces = ceil_div(n, length);
  const DeviceArray<T> sums(3 * pieces);
  launch(detail::SquaresKernel<T>{n, length, x, sums.data()}, pieces, 256);
  const std::vector<T> parts = sums.to_host();
  double total = 0;
  for (std::size_t i = 0; i < parts.size(); i += 3)
    total += double(parts[i]) * 0x1p-120 + double(parts[i + 1]) + double(parts[i + 2]) * 0x1p120;
  return total;
}

}  // namespace tenzo::cuda
