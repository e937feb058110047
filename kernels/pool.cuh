// 2-D pooling on raw memory: the largest or the mean of each window, plane by plane, and the adjoints.
//
// Adjoints gather: a thread computes an element of dx from all windows that it lies in, in the order in which the CPU
// adds them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "loops.cuh"
#include "planes.hpp"
#include "reduce.hpp"
#include "tenzo/cuda/pool.hpp"

namespace tenzo::cuda {

namespace detail {

/// A pooling as its kernels take it.
struct PoolSizes {
  Extent2 in, out, kernel, stride, padding, dilation;
  bool count_include_pad;

  explicit PoolSizes(const PoolGeometry& g)
      : in(g.in_size),
        out(g.out_size),
        kernel(g.kernel),
        stride(g.stride),
        padding(g.padding),
        dilation(g.dilation),
        count_include_pad(g.count_include_pad) {}
};

/// y = the largest of each window, index = where in its plane it stands.
///   Mapping  a thread an element of y; neighbours read neighbouring windows.
///   Bound by memory: x is read once from memory, y and index are written once.
template <class T>
struct MaxPoolKernel {
  static constexpr int max_threads = 256;
  std::int64_t total;
  PoolSizes g;
  const T* x;
  T* y;
  std::int32_t* index;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, g.out);
    const T* const from = x + e.plane * g.in.plane();
    const int r0 = first_inside(e.row * g.stride.h - g.padding.h, g.dilation.h);
    const int c0 = first_inside(e.column * g.stride.w - g.padding.w, g.dilation.w);
    const int r1 = end_inside(e.row * g.stride.h - g.padding.h, g.kernel.h, g.dilation.h, g.in.h);
    const int c1 = end_inside(e.column * g.stride.w - g.padding.w, g.kernel.w, g.dilation.w, g.in.w);
    T best = -std::numeric_limits<T>::infinity();
    int at = r0 * g.in.w + c0;  // the answer where all are −∞
    for (int r = r0; r < r1; r += g.dilation.h)
      for (int c = c0; c < c1; c += g.dilation.w) {
        const T v = load(from + g.in.offset(r, c));
        if (v > best || v != v) best = v, at = r * g.in.w + c;
      }
    store(y + i, best), store(index + i, at);
  }

 private:
  /// Along an axis, the first tap of a window that is inside, and where its taps end.
  TENZO_DEVICE static int first_inside(int first, int dilation) {
    return first < 0 ? first + (-first + dilation - 1) / dilation * dilation : first;
  }
  TENZO_DEVICE static int end_inside(int first, int kernel, int dilation, int in) {
    const int end = first + (kernel - 1) * dilation + 1;
    return end < in ? end : in;
  }
};

/// y[p][i] = x[p][index[p][i]].
///   Mapping  a thread an element of y. Bound by memory.
template <class T>
struct TakeInPlanesKernel {
  static constexpr int max_threads = 256;
  std::int64_t total, in_plane, out_plane;
  const std::int32_t* index;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i < total) store(y + i, load(x + i / out_plane * in_plane + load(index + i)));
  }
};

/// dx[p][index[p][i]] += dy[p][i] in the order of i.
///   Mapping  a warp a plane, which it goes through 32 elements at a time; of lanes that add to one element the first
///            does it for all, in their order.
///   Bound by latency where there are few planes, else by memory: dy and index are read once, and what is added to of
///            dx is read and written.
template <class T>
struct PutInPlanesKernel {
  static constexpr int max_threads = 128;
  std::int64_t planes, in_plane, out_plane;
  const std::int32_t* index;
  const T* dy;
  T* dx;

  TENZO_DEVICE void operator()() const {
    const int lane = int(threadIdx.x % 32);
    const std::int64_t warp = thread_in_grid() / 32, p = warp < planes ? warp : 0;
    const std::int64_t n = warp < planes ? out_plane : 0;
    T* const to = dx + p * in_plane;
    for (std::int64_t first = 0; first < n; first += 32) {
      const bool inside = first + lane < n;
      const std::int32_t at = inside ? load(index + p * out_plane + first + lane) : -1;
      const T v = inside ? load(dy + p * out_plane + first + lane) : T(0);
      const unsigned same = __match_any_sync(all_lanes, at);
      const bool leads = inside && (same & ((1u << lane) - 1)) == 0;
      T sum = leads ? load(static_cast<const T*>(to + at)) + v : T(0);
      unsigned others = leads ? same & (same - 1) : 0u;
      while (__any_sync(all_lanes, others != 0)) {
        const T next = __shfl_sync(all_lanes, v, others ? __ffs(int(others)) - 1 : lane);
        if (others) sum += next, others &= others - 1;
      }
      if (leads) store(to + at, sum);
      __syncwarp();  // the next step may read what was written
    }
  }
};

/// The part of a mean pooling along one axis.
struct MeanAxis {
  int kernel, stride, padding, in, out;

  /// Elements [first, end) of window i that are inside.
  TENZO_DEVICE int first(int i) const {
    const int f = i * stride - padding;
    return f > 0 ? f : 0;
  }
  TENZO_DEVICE int end(int i) const {
    const int e = i * stride - padding + kernel;
    return e < in ? e : in;
  }
  /// Windows [first, end) that hold element r.
  TENZO_DEVICE int first_with(int r) const {
    const int least = r + padding - kernel + 1;
    return least > 0 ? (least + stride - 1) / stride : 0;
  }
  TENZO_DEVICE int end_with(int r) const {
    const int e = (r + padding) / stride + 1;
    return e < out ? e : out;
  }
};

/// What a mean divides by: the rows of window row i times the columns of window column j.
struct MeanCount {
  MeanAxis h, w;
  bool all;

  explicit MeanCount(const PoolSizes& g)
      : h{g.kernel.h, g.stride.h, g.padding.h, g.in.h, g.out.h},
        w{g.kernel.w, g.stride.w, g.padding.w, g.in.w, g.out.w},
        all(g.count_include_pad) {}

  TENZO_DEVICE int rows(int i) const { return all ? h.kernel : h.end(i) - h.first(i); }
  TENZO_DEVICE int columns(int j) const { return all ? w.kernel : w.end(j) - w.first(j); }
};

/// y = sum of each window in row order / its count.
///   Mapping  a thread an element of y. Bound by memory: x is read once from memory and y written once.
template <class T>
struct MeanPoolKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_at_once<T>;
  std::int64_t total;
  Extent2 in, out;
  MeanCount count;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, out);
    const T* const from = x + e.plane * in.plane();
    const int r1 = count.h.end(e.row), c0 = count.w.first(e.column), c1 = count.w.end(e.column);
    T sum = T(0);
    for (int r = count.h.first(e.row); r < r1; ++r)
      for (int c = c0; c < c1; ++c) sum += load(from + in.offset(r, c));
    store(y + i, sum / T(count.rows(e.row) * count.columns(e.column)));
  }
};

/// The adjoint: dx = Σ dy / count over the windows of an element, row after row, each from right to left.
///   Mapping  a thread an element of dx. Bound by memory: dy is read once from memory and dx written once.
template <class T>
struct MeanPoolAdjointKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_at_once<T>;
  std::int64_t total;
  Extent2 in, out;
  MeanCount count;
  const T* dy;
  T* dx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, in);
    const T* const from = dy + e.plane * out.plane();
    const int k1 = count.h.end_with(e.row), l0 = count.w.first_with(e.column), l1 = count.w.end_with(e.column);
    T sum = T(0);
    for (int k = count.h.first_with(e.row); k < k1; ++k) {
      const int rows = count.rows(k);
      for (int l = l1 - 1; l >= l0; --l) sum += load(from + out.offset(k, l)) / T(rows * count.columns(l));
    }
    store(dx + i, sum);
  }
};

/// Where [floor(i in / out), ceil((i + 1) in / out)) begins and ends: what output i of an adaptive pooling covers, and,
/// with in and out exchanged, which outputs cover an input.
struct Cover {
  int begin, end;
  TENZO_DEVICE Cover(std::int64_t i, int in, int out)
      : begin(int(i * in / out)), end(int(((i + 1) * in + out - 1) / out)) {}
  TENZO_DEVICE int size() const { return end - begin; }
};

/// y = mean of each range of rows by range of columns.
///   Mapping  2^log2 neighbours of a warp an element of y, which go through its window in row order.
///   Bound by memory: x is read once from memory and y written once.
template <class T>
struct AdaptiveMeanPoolKernel {
  static constexpr int max_threads = 256;
  std::int64_t total;
  int log2;
  Extent2 in, out;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const int lanes = 1 << log2, lane = int(threadIdx.x % 32);
    const std::int64_t number = thread_in_grid() >> log2;
    const bool inside = number < total;
    const PlaneElement e(inside ? number : 0, out);
    const Cover rows(e.row, in.h, out.h), columns(e.column, in.w, out.w);
    const T* const from = x + e.plane * in.plane();
    int r = inside ? rows.begin : rows.end, c = columns.begin + (lane & (lanes - 1));
    T sum = T(0);
    while (true) {
      for (; c >= columns.end; c -= columns.size()) ++r;
      if (r >= rows.end) break;
      sum += load(from + in.offset(r, c));
      c += lanes;
    }
    sum = warp_reduce(sum, Add{}, lane, lanes);
    if (inside && (lane & (lanes - 1)) == 0) store(y + number, sum / T(std::int64_t(rows.size()) * columns.size()));
  }
};

/// The adjoint: dx = Σ dy / size over the ranges that cover an element, in row order.
///   Mapping  a thread an element of dx. Bound by memory: dx is written once; dy mostly comes from the cache.
template <class T>
struct AdaptiveMeanPoolAdjointKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_at_once<T>;
  std::int64_t total;
  Extent2 in, out;
  const T* dy;
  T* dx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, in);
    const Cover rows(e.row, out.h, in.h), columns(e.column, out.w, in.w);
    const T* const from = dy + e.plane * out.plane();
    T sum = T(0);
    for (int k = rows.begin; k < rows.end; ++k) {
      const int height = Cover(k, in.h, out.h).size();
      for (int l = columns.begin; l < columns.end; ++l)
        sum += load(from + out.offset(k, l)) / T(std::int64_t(height) * Cover(l, in.w, out.w).size());
    }
    store(dx + i, sum);
  }
};

}  // namespace detail

template <Real T>
void max_pool2d(Device, const PoolGeometry& g, const T* x, T* y, std::int32_t* index) {
  const std::int64_t total = g.planes * g.out_plane();
  if (total == 0) return;
  launch(detail::MaxPoolKernel<T>{total, detail::PoolSizes(g), x, y, index}, blocks_for(total, 256), 256);
}

template <Real T>
void take_in_planes(Device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane,
                    const std::int32_t* index, const T* x, T* y) {
  const std::int64_t total = planes * out_plane;
  if (total == 0) return;
  launch(detail::TakeInPlanesKernel<T>{total, in_plane, out_plane, index, x, y}, blocks_for(total, 256), 256);
}

template <Real T>
void put_in_planes(Device device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane,
                   const std::int32_t* index, const T* dy, T* dx) {
  if (planes * in_plane == 0) return;
  fill(device, planes * in_plane, dx, T(0));
  if (out_plane == 0) return;
  launch(detail::PutInPlanesKernel<T>{planes, in_plane, out_plane, index, dy, dx}, blocks_for(32 * planes, 128), 128);
}

template <Real T>
void mean_pool2d(Device, const PoolGeometry& g, const T* x, T* y) {
  const std::int64_t total = g.planes * g.out_plane();
  if (total == 0) return;
  const detail::PoolSizes s(g);
  launch(detail::MeanPoolKernel<T>{total, s.in, s.out, detail::MeanCount(s), x, y}, blocks_for(total, 256), 256);
}

template <Real T>
void mean_pool2d_adjoint(Device, const PoolGeometry& g, const T* dy, T* dx) {
  const std::int64_t total = g.planes * g.in_plane();
  if (total == 0) return;
  const detail::PoolSizes s(g);
  launch(detail::MeanPoolAdjointKernel<T>{total, s.in, s.out, detail::MeanCount(s), dy, dx}, blocks_for(total, 256),
         256);
}

template <Real T>
void adaptive_mean_pool2d(Device, std::int64_t planes, Size2 in, Size2 out, const T* x, T* y) {
  const std::int64_t total = planes * out.h * out.w;
  if (total == 0) return;
  const std::int64_t window = (in.h / out.h + 1) * (in.w / out.w + 1);
  const int log2 =
      int(std::bit_width(std::uint64_t(std::clamp<std::int64_t>(window / 4, 1, 32)))) - 1;  // 4 elements a lane
  launch(detail::AdaptiveMeanPoolKernel<T>{total, log2, detail::Extent2(in), detail::Extent2(out), x, y},
         blocks_for(total << log2, 256), 256);
}

template <Real T>
void adaptive_mean_pool2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, const T* dy, T* dx) {
  const std::int64_t total = planes * in.h * in.w;
  if (total == 0) return;
  launch(detail::AdaptiveMeanPoolAdjointKernel<T>{total, detail::Extent2(in), detail::Extent2(out), dy, dx},
         blocks_for(total, 256), 256);
}

}  // namespace tenzo::cuda
