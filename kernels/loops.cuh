// Element loops, broadcasting, strided copies, and sums over one axis.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "device.hpp"
#include "memory.cuh"
#include "tenzo/cuda/loops.hpp"

namespace tenzo::cuda {

namespace detail {

/// Pointers to the operands of an element loop.
template <class... X>
struct Operands;
template <>
struct Operands<> {};
template <class X, class... Rest>
struct Operands<X, Rest...> {
  const X* first;
  Operands<Rest...> rest;
};

inline Operands<> operands_of() { return {}; }
template <class X, class... Rest>
Operands<X, Rest...> operands_of(const X* x, const Rest*... rest) {
  return {x, operands_of(rest...)};
}

/// f of the elements i of all operands.
template <class F, class... Got>
TENZO_DEVICE auto apply_at(const F& f, std::int64_t, const Operands<>&, Got... got) {
  return f(got...);
}
template <class F, class X, class... Rest, class... Got>
TENZO_DEVICE auto apply_at(const F& f, std::int64_t i, const Operands<X, Rest...>& x, Got... got) {
  return apply_at(f, i, x.rest, got..., load(x.first + i));
}

/// The same for `width` elements from i on, which are read at once.
template <int width, class Y, class F, class... Got>
TENZO_DEVICE void apply_pack(Pack<Y, width>& y, const F& f, std::int64_t, const Operands<>&, const Got&... got) {
  TENZO_UNROLL
  for (int k = 0; k < width; ++k) y[k] = f(got[k]...);
}
template <int width, class Y, class F, class X, class... Rest, class... Got>
TENZO_DEVICE void apply_pack(Pack<Y, width>& y, const F& f, std::int64_t i, const Operands<X, Rest...>& x,
                             const Got&... got) {
  apply_pack<width>(y, f, i, x.rest, got..., load<width>(x.first + i));
}

/// y[i] = f(x[i]...).
///   Mapping  a thread computes `width` neighbours, its block 256 of these; one pass.
///   Bound by memory: every operand is read once and y written once.
template <int width, class Y, class F, class... X>
struct MapKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;  // a multiple of `width`
  Y* y;
  F f;
  Operands<X...> x;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid() * width;
    if (i >= n) return;
    if constexpr (width == 1) {
      store(y + i, Y(apply_at(f, i, x)));
    } else {
      Pack<Y, width> v;
      apply_pack<width>(v, f, i, x);
      store<width>(y + i, v);
    }
  }
};

/// Steps of two operands along the axes of a result, in 32 bits where they fit: divisions are what this costs.
template <class Index>
struct DeviceWalk {
  int rank;
  Index extent[Shape::max_rank], step_a[Shape::max_rank], step_b[Shape::max_rank];

  TENZO_DEVICE void offsets(Index i, Index& a, Index& b) const {
    a = b = 0;
    for (int axis = rank - 1; axis > 0; --axis) {
      const Index rest = i / extent[axis], at = i - rest * extent[axis];
      a += at * step_a[axis];
      b += at * step_b[axis];
      i = rest;
    }
    a += i * step_a[0];
    b += i * step_b[0];
  }
};

/// y[i] = f(a[…], b[…]), both operands read where their walks are.
///   Mapping  a thread an element of y; neighbours read neighbours, or one element together.
///   Bound by memory, and by a division an axis.
template <class T, class F, class Index>
struct BroadcastKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  T* y;
  const T *a, *b;
  F f;
  DeviceWalk<Index> walk;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= n) return;
    Index at_a, at_b;
    walk.offsets(Index(i), at_a, at_b);
    store(y + i, f(load(a + at_a), load(b + at_b)));
  }
};

/// y[walk b] = x[walk a].
///   Mapping  a thread an element, in the order of the index set. Bound by memory.
template <class T, class Index>
struct CopyKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  const T* x;
  T* y;
  DeviceWalk<Index> walk;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= n) return;
    Index from, to;
    walk.offsets(Index(i), from, to);
    store(y + to, load(x + from));
  }
};

/// y[c, r] = x[r, c] of matrices, `planes` of them: what most permutations come down to.
///   Mapping  a block of 32 x 8 threads moves a tile of 32 x 32 through shared memory, so that both sides are read and
///            written along rows. The tile's rows are 33 apart: a column lies in 32 banks.
///   Bound by memory: each element once each way.
template <class T>
struct TransposeKernel {
  static constexpr int tile = 32, rows_at_once = 8, max_threads = tile * rows_at_once;
  std::int64_t rows, cols, tiles_down, tiles_across;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, staged, [tile][tile + 1]);
    const std::int64_t block = blockIdx.x, across = block % tiles_across, rest = block / tiles_across;
    const std::int64_t r0 = rest % tiles_down * tile, c0 = across * tile, plane = rest / tiles_down * rows * cols;
    const int c = int(threadIdx.x), r = int(threadIdx.y);
    const T* const from = x + plane + (r0 + r) * cols + c0 + c;
    T* const to = y + plane + (c0 + r) * rows + r0 + c;
    TENZO_UNROLL
    for (int i = 0; i < tile; i += rows_at_once)
      if (r0 + r + i < rows && c0 + c < cols) staged[r + i][c] = load(from + i * cols);
    __syncthreads();
    TENZO_UNROLL
    for (int i = 0; i < tile; i += rows_at_once)
      if (c0 + r + i < cols && r0 + c < rows) store(to + i * rows, staged[c][r + i]);
  }
};

/// y[o, piece] = Σ of a piece of the row x[o, …].
///   Mapping  a block a piece: its threads sum elements 256 apart, then by shuffles and once through shared memory.
///   Bound by memory.
template <class T>
struct SumRowKernel {
  static constexpr int max_threads = 256;
  std::int64_t n, pieces, length;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, scratch, [max_threads / 32]);
    const std::int64_t o = blockIdx.x / pieces, begin = blockIdx.x % pieces * length;
    const std::int64_t end = begin + length < n ? begin + length : n;
    T part = T(0);
    for (std::int64_t i = begin + threadIdx.x; i < end; i += max_threads) part += load(x + o * n + i);
    for (int lane = 16; lane > 0; lane /= 2) part += __shfl_xor_sync(all_lanes, part, lane);
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = part;
    __syncthreads();
    if (threadIdx.x == 0) {
      T total = scratch[0];
      for (int w = 1; w < max_threads / 32; ++w) total += scratch[w];
      store(y + blockIdx.x, total);
    }
  }
};

/// y[o, piece, i] = Σ over a piece of the middle axis of x[o, …, i].
///   Mapping  a block of 32 columns by 8 rows: a warp reads 32 neighbours of a row, the rows of a piece are dealt to
///            the warps and their sums joined in shared memory in the order of the warps.
///   Bound by memory.
template <class T>
struct SumColumnKernel {
  static constexpr int width = 32, height = 8, max_threads = width * height;
  std::int64_t n, inner, blocks_across, pieces, length;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, scratch, [height][width]);
    const std::int64_t across = blockIdx.x % blocks_across, rest = blockIdx.x / blocks_across;
    const std::int64_t piece = rest % pieces, o = rest / pieces, column = across * width + threadIdx.x;
    const std::int64_t begin = piece * length, end = begin + length < n ? begin + length : n;
    T part = T(0);
    if (column < inner)
      for (std::int64_t i = begin + threadIdx.y; i < end; i += height) part += load(x + (o * n + i) * inner + column);
    scratch[threadIdx.y][threadIdx.x] = part;
    __syncthreads();
    if (threadIdx.y == 0 && column < inner) {
      for (int r = 1; r < height; ++r) part += scratch[r][threadIdx.x];
      store(y + (o * pieces + piece) * inner + column, part);
    }
  }
};

/// Whether all offsets of a walk fit into 32 bits.
inline bool narrow(int rank, const Strides& extent, const Strides& a, const Strides& b) {
  std::int64_t n = 1, far_a = 0, far_b = 0;
  for (int i = 0; i < rank; ++i) {
    n *= extent[std::size_t(i)];
    far_a += std::abs(a[std::size_t(i)]) * (extent[std::size_t(i)] - 1);
    far_b += std::abs(b[std::size_t(i)]) * (extent[std::size_t(i)] - 1);
  }
  return std::max({n, far_a, far_b}) < (std::int64_t(1) << 31);
}

template <class Index>
DeviceWalk<Index> device_walk(int rank, const Strides& extent, const Strides& a, const Strides& b) {
  DeviceWalk<Index> w{};
  w.rank = rank;
  for (int i = 0; i < rank; ++i) {
    w.extent[i] = Index(extent[std::size_t(i)]);
    w.step_a[i] = Index(a[std::size_t(i)]);
    w.step_b[i] = Index(b[std::size_t(i)]);
  }
  return w;
}

/// The number of pieces that n elements are summed in, so that about `wanted` blocks run in all; by the sizes alone,
/// so that the order of a sum does not depend on the GPU.
inline std::int64_t sum_pieces(std::int64_t n, std::int64_t blocks, std::int64_t least) {
  constexpr std::int64_t wanted = 512;
  return std::clamp<std::int64_t>(wanted / std::max<std::int64_t>(1, blocks), 1, std::max<std::int64_t>(1, n / least));
}

}  // namespace detail

template <class Y, class F, class... X>
void map(Device, std::int64_t n, Y* y, const F& f, const X*... x) {
  if (n == 0) return;
  constexpr int wide = std::max(1, int(16 / sizeof(Y)));
  constexpr bool alike = ((sizeof(X) == sizeof(Y)) && ...);
  if constexpr (alike && wide > 1) {
    if (is_aligned<wide>(y) && (is_aligned<wide>(x) && ...)) {
      const std::int64_t whole = n / wide * wide;
      if (whole)
        launch(detail::MapKernel<wide, Y, F, X...>{whole, y, f, detail::operands_of(x...)},
               blocks_for(whole, 256 * wide), 256);
      if (whole < n)
        launch(detail::MapKernel<1, Y, F, X...>{n - whole, y + whole, f, detail::operands_of((x + whole)...)},
               blocks_for(n - whole, 256), 256);
      return;
    }
  }
  launch(detail::MapKernel<1, Y, F, X...>{n, y, f, detail::operands_of(x...)}, blocks_for(n, 256), 256);
}

template <class T, class F>
void map_broadcast(Device device, const Shape& out, T* y, const Shape& shape_a, const T* a, const Shape& shape_b,
                   const T* b, const F& f) {
  const std::int64_t n = out.numel();
  if (n == 0) return;
  if (shape_a == out && shape_b == out) return map(device, n, y, f, a, b);
  const BroadcastWalk w(out, shape_a, shape_b);
  const auto run = [&]<class Index>(Index) {
    launch(detail::BroadcastKernel<T, F, Index>{n, y, a, b, f,
                                                detail::device_walk<Index>(w.rank, w.extent, w.step_a, w.step_b)},
           blocks_for(n, 256), 256);
  };
  if (detail::narrow(w.rank, w.extent, w.step_a, w.step_b)) run(std::int32_t());
  else run(std::int64_t());
}

template <class T>
void copy_strided(Device, const Shape& shape, const T* x, const Strides& xs, T* y, const Strides& ys) {
  const std::int64_t n = shape.numel();
  if (n == 0) return;
  const PairOfWalks w(shape, xs, ys);
  // (planes, rows, cols) whose columns are rows of the other side
  const std::size_t last = std::size_t(w.rank - 1);
  const std::int64_t rows = w.extent[last - 1], cols = w.extent[last], plane = rows * cols;
  const bool one_stack = w.rank == 2 || (w.rank == 3 && w.x[0] == plane && w.y[0] == plane);
  if (one_stack && w.x[last] == 1 && w.x[last - 1] == cols && w.y[last] == rows && w.y[last - 1] == 1 && rows >= 8 &&
      cols >= 8) {
    using K = detail::TransposeKernel<T>;
    const std::int64_t down = (rows + K::tile - 1) / K::tile, across = (cols + K::tile - 1) / K::tile;
    launch(K{rows, cols, down, across, x, y}, n / plane * down * across, Extents(K::tile, K::rows_at_once));
    return;
  }
  const auto run = [&]<class Index>(Index) {
    launch(detail::CopyKernel<T, Index>{n, x, y, detail::device_walk<Index>(w.rank, w.extent, w.x, w.y)},
           blocks_for(n, 256), 256);
  };
  if (detail::narrow(w.rank, w.extent, w.x, w.y)) run(std::int32_t());
  else run(std::int64_t());
}

template <class T>
void fill(Device, std::int64_t n, T* y, T value) {
  fill_elements(Device{}, n, y, value);
}

template <class T>
void sum_middle(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  if (outer * inner == 0) return;
  if (n == 0) return fill(device, outer * inner, y, T(0));
  if (inner == 1) {
    using K = detail::SumRowKernel<T>;
    const std::int64_t pieces = detail::sum_pieces(n, outer, 4096), length = (n + pieces - 1) / pieces;
    const std::shared_ptr<void> held = pieces > 1 ? allocate(device, std::size_t(outer * pieces) * sizeof(T)) : nullptr;
    T* const to = pieces > 1 ? static_cast<T*>(held.get()) : y;
    launch(K{n, pieces, length, x, to}, outer * pieces, K::max_threads);
    if (pieces > 1) launch(K{pieces, 1, pieces, to, y}, outer, K::max_threads);
    return;
  }
  using K = detail::SumColumnKernel<T>;
  const std::int64_t across = (inner + K::width - 1) / K::width;
  const std::int64_t pieces = detail::sum_pieces(n, outer * across, 64), length = (n + pieces - 1) / pieces;
  const std::shared_ptr<void> held =
      pieces > 1 ? allocate(device, std::size_t(outer * pieces * inner) * sizeof(T)) : nullptr;
  T* const to = pieces > 1 ? static_cast<T*>(held.get()) : y;
  launch(K{n, inner, across, pieces, length, x, to}, outer * pieces * across, Extents(K::width, K::height));
  if (pieces > 1) launch(K{pieces, inner, across, 1, pieces, to, y}, outer * across, Extents(K::width, K::height));
}

}  // namespace tenzo::cuda
