// What optimizers do with the elements of one tensor, and sums over elements.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "device.hpp"
#include "memory.cuh"
#include "reduce.hpp"
#include "tenzo/cuda/update.hpp"

namespace tenzo::cuda {

namespace detail {

/// One step with momentum.  A thread an element; bound by memory: three numbers read, two written.
template <class T>
struct MomentumKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  MomentumUpdate<T> u;
  const T* g;
  T *m, *w;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= n) return;
    const T x = load(w + i), d = load(g + i) + u.decay * x, mean = u.mu * load(m + i) + d;
    store(m + i, mean);
    store(w + i, x - u.rate * (u.ahead ? d + u.mu * mean : mean));
  }
};

/// One step of Adam.  A thread an element; bound by memory: four numbers read, three written.
template <class T>
struct AdamKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  AdamUpdate<T> u;
  const T* g;
  T *m, *v, *largest, *w;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= n) return;
    const T slope = load(g + i), x = load(w + i);
    const T mean = u.b1 * load(m + i) + u.c1 * slope;
    T square = u.b2 * load(v + i) + u.c2 * slope * slope;
    store(m + i, mean);
    store(v + i, square);
    if (largest) {
      const T top = load(largest + i);
      square = top > square ? top : square;
      store(largest + i, square);
    }
    store(w + i, x - (u.mean_scale * mean / (std::sqrt(square) * u.root_scale + u.eps) + u.decay * x));
  }
};

/// Σ a b of a piece.  A block a piece of `length` elements, its threads 256 apart; bound by memory.
template <class T>
struct DotKernel {
  static constexpr int max_threads = 256;
  std::int64_t n, length;
  const T *a, *b;
  T* sums;

  TENZO_DEVICE void operator()() const {
    const std::int64_t begin = std::int64_t(blockIdx.x) * length, end = begin + length < n ? begin + length : n;
    T part = T(0);
    for (std::int64_t i = begin + threadIdx.x; i < end; i += max_threads) part += load(a + i) * load(b + i);
    part = block_sum(part, int(threadIdx.x), max_threads);
    if (threadIdx.x == 0) store(sums + blockIdx.x, part);
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

/// The three sums of a piece, as for DotKernel.
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
    part = block_reduce(part, Join{}, int(threadIdx.x), max_threads);
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
  if (n > 0) launch(detail::MomentumKernel<T>{n, u, g, m, w}, blocks_for(n, 256), 256);
}

template <Real T>
void adam_update(Device, std::int64_t n, const AdamUpdate<T>& u, const T* g, T* m, T* v, T* largest, T* w) {
  if (n > 0) launch(detail::AdamKernel<T>{n, u, g, m, v, largest, w}, blocks_for(n, 256), 256);
}

template <class T>
double dot_elements(Device, std::int64_t n, const T* a, const T* b) {
  if (n == 0) return 0;
  const std::int64_t length = detail::piece_length(n), pieces = ceil_div(n, length);
  const DeviceArray<T> sums(pieces);
  launch(detail::DotKernel<T>{n, length, a, b, sums.data()}, pieces, 256);
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
