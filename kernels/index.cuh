// Reading elements by their positions, adding to them, and finding them, around one axis: (outer, n, inner).
#pragma once

#include <algorithm>
#include <cstdint>

#include "device.hpp"
#include "loops.cuh"
#include "tenzo/cuda/index.hpp"

namespace tenzo::cuda {

namespace detail {

/// y(o, j, i) = x(o, index[j], i).
///   Mapping  a thread `width` neighbours along i. Bound by memory.
template <class T, int width>
struct SelectRowsKernel {
  static constexpr int max_threads = 256;
  std::int64_t total, n, k, inner;
  const std::int64_t* index;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid() * width;
    if (at >= total) return;
    const std::int64_t row = at / inner, i = at % inner;
    const T* const from = x + (row / k * n + load(index + row % k)) * inner + i;
    if constexpr (width == 1) store(y + at, load(from));
    else store<width>(y + at, load<width>(from));
  }
};

/// gx(o, r, i) += gy(o, j, i) over the j with index[j] = r, in their order; r(j) is done by the first such j.
///   Mapping  a block a row j and 128 columns: it looks through the index, which the cache holds, whether an earlier j
///            has the same row, and if not it adds all of them.
///   Bound by reading gy, as long as k² is small beside k · inner.
template <class T>
struct AddRowsKernel {
  static constexpr int max_threads = 128;
  std::int64_t blocks_across, n, k, inner;
  const std::int64_t* index;
  const T* gy;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = blockIdx.x % blocks_across * max_threads + threadIdx.x, rest = blockIdx.x / blocks_across;
    const std::int64_t first = rest % k, o = rest / k, row = load(index + first);
    bool earlier = false;
    for (std::int64_t j = threadIdx.x; j < first; j += max_threads) earlier = earlier || load(index + j) == row;
    if (__syncthreads_or(earlier) || i >= inner) return;
    T sum = T(0);
    for (std::int64_t j = first; j < k; ++j)
      if (load(index + j) == row) sum += load(gy + (o * k + j) * inner + i);
    store(gx + (o * n + row) * inner + i, sum);
  }
};

/// y(o, j, i) = x(o, index(o, j, i), i).
///   Mapping  a thread an element. Bound by memory.
template <class T>
struct GatherKernel {
  static constexpr int max_threads = 256;
  std::int64_t total, n, k, inner;
  const std::int64_t* index;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const std::int64_t o = at / (k * inner), i = at % inner;
    store(y + at, load(x + (o * n + load(index + at)) * inner + i));
  }
};

/// gx(o, r, i) += gy(o, j, i) in the order of j, with r = index[j], or r = index(o, j, i) where each has its `own`.
///   Mapping  a thread a column (o, i): it walks the index and adds to elements that no other thread has.
///   Bound by latency where there are few columns, else by memory: gy is read once, gx read and written for each j.
template <class T, bool own>
struct ScatterKernel {
  static constexpr int max_threads = 128;
  std::int64_t total, n, k, inner;
  const std::int64_t* index;
  const T* gy;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const std::int64_t o = at / inner, i = at % inner;
    for (std::int64_t j = 0; j < k; ++j) {
      const std::int64_t from = (o * k + j) * inner + i;
      T* const to = gx + (o * n + load(index + (own ? from : j))) * inner + i;
      store(to, load(const_cast<const T*>(to)) + load(gy + from));
    }
  }
};

/// The position along the axis of the element that is better than all others.
///   Mapping  a warp a row where the row lies together (inner = 1), else a thread a column.
///   Bound by memory.
template <class T, class Better>
struct ArgExtremeKernel {
  static constexpr int max_threads = 256;
  std::int64_t total, n, inner;
  Better better;
  const T* x;
  std::int64_t* at;

  /// Whether (v, i) goes before (b, at): a NaN before all, then the better, then the first.
  TENZO_DEVICE bool before(T v, std::int64_t i, T b, std::int64_t best) const {
    if (v != v || b != b) return v != v && (b == b || i < best);
    return better(v, b) || (!better(b, v) && i < best);
  }
  TENZO_DEVICE void operator()() const {
    if (inner == 1) {
      const std::int64_t row = thread_in_grid() / 32;
      const int lane = int(threadIdx.x % 32);
      const bool inside = row < total;
      const T* const from = x + (inside ? row : 0) * n;
      std::int64_t best = lane < n ? lane : 0;
      T value = load(from + best);
      for (std::int64_t i = lane + 32; i < n; i += 32) {
        const T v = load(from + i);
        if (before(v, i, value, best)) value = v, best = i;
      }
      for (int other = 16; other > 0; other /= 2) {
        const T v = __shfl_xor_sync(all_lanes, value, other);
        const auto i = std::int64_t(__shfl_xor_sync(all_lanes, (long long)best, other));
        if (before(v, i, value, best)) value = v, best = i;
      }
      if (inside && lane == 0) store(at + row, best);
    } else {
      const std::int64_t r = thread_in_grid();
      if (r >= total) return;
      const T* const from = x + r / inner * n * inner + r % inner;
      std::int64_t best = 0;
      T value = load(from);
      for (std::int64_t i = 1; i < n; ++i) {
        const T v = load(from + i * inner);
        if (before(v, i, value, best)) value = v, best = i;
      }
      store(at + r, best);
    }
  }
};

/// Sums of the first 1, 2, … elements along the axis, or of the last.
///   Mapping  a thread a column, in order: the bits of the CPU. Bound by latency where there are few columns.
template <class T>
struct CumulativeSumKernel {
  static constexpr int max_threads = 128;
  std::int64_t total, n, inner;
  bool back;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t r = thread_in_grid();
    if (r >= total) return;
    const std::int64_t first = r / inner * n * inner + r % inner;
    T sum = T(0);
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t at = first + (back ? n - 1 - j : j) * inner;
      sum = j == 0 ? load(x + at) : sum + load(x + at);
      store(y + at, sum);
    }
  }
};

/// y[i] = mask[i] ? a[i] : b[i].  A thread an element; bound by memory.
template <class T>
struct ChooseKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  const std::uint8_t* mask;
  const T *a, *b;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i < n) store(y + i, load(mask + i) ? load(a + i) : load(b + i));
  }
};

}  // namespace detail

template <class T>
void select_rows(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y) {
  constexpr int wide = std::max(1, int(16 / sizeof(T)));
  const std::int64_t total = s.outer * k * s.inner;
  if (total == 0) return;
  if (s.inner % wide == 0 && is_aligned<wide>(x) && is_aligned<wide>(y))
    launch(detail::SelectRowsKernel<T, wide>{total, s.n, k, s.inner, index, x, y}, blocks_for(total, 256 * wide), 256);
  else launch(detail::SelectRowsKernel<T, 1>{total, s.n, k, s.inner, index, x, y}, blocks_for(total, 256), 256);
}

template <class T>
void add_rows(Device device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy, T* gx) {
  fill(device, s.outer * s.n * s.inner, gx, T(0));
  const std::int64_t total = s.outer * s.inner;
  if (total * k == 0) return;
  if (constexpr std::int64_t long_index = 4096; k <= long_index) {
    using K = detail::AddRowsKernel<T>;
    const std::int64_t across = (s.inner + K::max_threads - 1) / K::max_threads;
    launch(K{across, s.n, k, s.inner, index, gy, gx}, s.outer * k * across, K::max_threads);
  } else {
    launch(detail::ScatterKernel<T, false>{total, s.n, k, s.inner, index, gy, gx}, blocks_for(total, 128), 128);
  }
}

template <class T>
void gather_elements(Device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* x, T* y) {
  const std::int64_t total = s.outer * k * s.inner;
  if (total == 0) return;
  launch(detail::GatherKernel<T>{total, s.n, k, s.inner, index, x, y}, blocks_for(total, 256), 256);
}

template <class T>
void scatter_elements(Device device, const AroundAxis& s, std::int64_t k, const std::int64_t* index, const T* gy,
                      T* gx) {
  fill(device, s.outer * s.n * s.inner, gx, T(0));
  const std::int64_t total = s.outer * s.inner;
  if (total * k == 0) return;
  launch(detail::ScatterKernel<T, true>{total, s.n, k, s.inner, index, gy, gx}, blocks_for(total, 128), 128);
}

template <class T, class Better>
void arg_extreme(Device, const AroundAxis& s, Better better, const T* x, std::int64_t* at) {
  const std::int64_t total = s.outer * s.inner;
  if (total == 0) return;
  const std::int64_t threads = s.inner == 1 ? 32 * total : total;
  launch(detail::ArgExtremeKernel<T, Better>{total, s.n, s.inner, better, x, at}, blocks_for(threads, 256), 256);
}

template <class T>
void cumulative_sum(Device, const AroundAxis& s, bool back, const T* x, T* y) {
  const std::int64_t total = s.outer * s.inner;
  if (total * s.n == 0) return;
  launch(detail::CumulativeSumKernel<T>{total, s.n, s.inner, back, x, y}, blocks_for(total, 128), 128);
}

template <class T>
void choose(Device, std::int64_t n, const std::uint8_t* mask, const T* a, const T* b, T* y) {
  if (n == 0) return;
  launch(detail::ChooseKernel<T>{n, mask, a, b, y}, blocks_for(n, 256), 256);
}

}  // namespace tenzo::cuda
