// 2-D pooling on raw memory: the largest or the mean of each window, plane by plane, and the adjoints.
//
// `planes` is batch · channels; x (planes, in_size), y (planes, out_size), dense and row-major. Results do not depend
// on the number of threads: a plane belongs to one of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/ops/shapes/pool.hpp"

namespace tenzo::cpu {

/// Calls f(plane) for all planes; `work` is the elements that a plane costs.
template <class F>
void for_each_plane(std::int64_t planes, std::int64_t work, F&& f) {
  parallel_for(planes, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, work)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t p = begin; p < end; ++p) f(p);
               });
}

/// Output columns [begin, end) whose tap at `offset` from the window's first column, padding taken off, is inside.
struct Columns {
  std::int64_t begin, end;
  Columns(std::int64_t offset, std::int64_t stride, std::int64_t in, std::int64_t out) {
    begin = std::min(out, offset < 0 ? (-offset + stride - 1) / stride : 0);
    end = in > offset ? std::clamp((in - offset + stride - 1) / stride, begin, out) : begin;
  }
};

/// The larger of a and b with its place; of equal ones a, of NaNs the last. (|, not ||: both sides are computed, so
/// that loops are vectorised.)
template <Real T, class Index>
TENZO_INLINE void take_larger(T a, Index at_a, T b, Index at_b, T& y, Index& at) {
  const bool take = (b > a) | (b != b);
  y = take ? b : a, at = take ? at_b : at_a;
}

/// Windows of 2 x 2 side by side, the most frequent: y and index of one row of outputs from two rows of x.
template <Real T, class Index>
void max_pool_pairs(const T* x, std::int64_t width, std::int64_t first, std::int64_t n, T* y, Index* index) {
  const T* below = x + width;
  const auto at0 = Index(first), at1 = Index(first + width);
#pragma omp simd
  for (std::int64_t j = 0; j < n; ++j) {
    const auto k = Index(2 * j);
    T top, low;
    Index top_at, low_at;
    take_larger(x[2 * j], Index(at0 + k), x[2 * j + 1], Index(at0 + k + 1), top, top_at);
    take_larger(below[2 * j], Index(at1 + k), below[2 * j + 1], Index(at1 + k + 1), low, low_at);
    take_larger(top, top_at, low, low_at, y[j], index[j]);
  }
}

/// The values of such windows alone, of a plane of `rows` rows of n outputs whose rows have no column left over: pairs
/// of rows first, then pairs of columns through several rows at once, since rows of a few outputs would leave most
/// lanes of a register empty. Of zeros of both signs it may be either.
template <Real T>
void max_pool_plane(const T* x, std::int64_t rows, std::int64_t n, T* y) {
  constexpr std::int64_t most = 1024;  // columns at a time
  const auto larger = [](T a, T b) { return (b > a) | (b != b) ? b : a; };
  T column[most];
  const std::int64_t some = most / (2 * n);
  for (std::int64_t row = 0; row < rows; row += some) {
    const std::int64_t here = std::min(some, rows - row);
    for (std::int64_t i = 0; i < here; ++i) {
      const T *top = x + (row + i) * 4 * n, *low = top + 2 * n;
      T* to = column + i * 2 * n;
#pragma omp simd
      for (std::int64_t j = 0; j < 2 * n; ++j) to[j] = larger(top[j], low[j]);
    }
    T* to = y + row * n;
#pragma omp simd
    for (std::int64_t k = 0; k < here * n; ++k) to[k] = larger(column[2 * k], column[2 * k + 1]);
  }
}

/// y = the largest of each window, index = where in its plane it stands (row · width + column).
///   Of equal ones the first in row order. A NaN in the window makes y NaN; index is then the last NaN's.
template <Real T, class Index>
void max_pool2d(Device, const PoolGeometry& g, const T* x, T* y, Index* index) {
  const Size2 in = g.in_size, out = g.out_size;
  const bool pairs =
      g.kernel == Size2{2, 2} && g.stride == Size2{2, 2} && g.padding == Size2{0, 0} && g.dilation == Size2{1, 1};
  for_each_plane(g.planes, g.in_plane(), [&](std::int64_t plane) {
    for (std::int64_t i = 0; i < out.h; ++i) {
      const T* from = x + plane * g.in_plane();
      T* best = y + plane * g.out_plane() + i * out.w;
      Index* at = index + plane * g.out_plane() + i * out.w;
      if (pairs) {
        max_pool_pairs(from + 2 * i * in.w, in.w, 2 * i * in.w, out.w, best, at);
        continue;
      }
      const std::int64_t first_row = i * g.stride.h - g.padding.h;
      const std::int64_t row0 =
          first_row < 0 ? (-first_row + g.dilation.h - 1) / g.dilation.h * g.dilation.h + first_row : first_row;
      for (std::int64_t j = 0; j < out.w; ++j) {  // where all are -infinity, the first element inside
        const std::int64_t c = j * g.stride.w - g.padding.w;
        best[j] = -std::numeric_limits<T>::infinity();
        at[j] = Index(row0 * in.w + (c < 0 ? (-c + g.dilation.w - 1) / g.dilation.w * g.dilation.w + c : c));
      }
      for (std::int64_t k = 0; k < g.kernel.h; ++k) {
        const std::int64_t r = first_row + k * g.dilation.h;
        if (r < 0 || r >= in.h) continue;
        for (std::int64_t l = 0; l < g.kernel.w; ++l) {
          const std::int64_t offset = l * g.dilation.w - g.padding.w, s = g.stride.w;
          const Columns inside(offset, s, in.w, out.w);
          const T* row = from + r * in.w + offset;
          const auto base = Index(r * in.w + offset);
#pragma omp simd
          for (std::int64_t j = inside.begin; j < inside.end; ++j) {
            const T v = row[j * s];
            const bool take = v > best[j] || v != v;
            best[j] = take ? v : best[j];
            at[j] = take ? Index(base + Index(j * s)) : at[j];
          }
        }
      }
    }
  });
}

/// The same without the index: windows of 2 x 2 that cover their rows in a fraction of the time.
template <Real T>
void max_pool2d_values(Device, const PoolGeometry& g, const T* x, T* y) {
  const Size2 in = g.in_size, out = g.out_size;
  const bool pairs =
      g.kernel == Size2{2, 2} && g.stride == Size2{2, 2} && g.padding == Size2{0, 0} && g.dilation == Size2{1, 1};
  if (pairs && in.w == 2 * out.w && out.w > 0 && out.w <= 64)
    return for_each_plane(g.planes, g.in_plane(), [&](std::int64_t plane) {
      max_pool_plane(x + plane * g.in_plane(), out.h, out.w, y + plane * g.out_plane());
    });
  std::vector<std::int32_t> index(std::size_t(g.planes * g.out_plane()));
  max_pool2d(Device{}, g, x, y, index.data());
}

/// y[p][i] = x[p][index[p][i]]: the tangent of max_pool2d.
template <Real T, class Index>
void take_in_planes(Device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane, const Index* index,
                    const T* x, T* y) {
  for_each_plane(planes, out_plane, [&](std::int64_t p) {
    for (std::int64_t i = p * out_plane; i < (p + 1) * out_plane; ++i) y[i] = x[p * in_plane + index[i]];
  });
}

/// dx[p][index[p][i]] += dy[p][i] from zero, in the order of i: the adjoint of take_in_planes.
template <Real T, class Index>
void put_in_planes(Device, std::int64_t planes, std::int64_t in_plane, std::int64_t out_plane, const Index* index,
                   const T* dy, T* dx) {
  for_each_plane(planes, in_plane, [&](std::int64_t p) {
    T* to = dx + p * in_plane;
    std::fill_n(to, in_plane, T(0));
    for (std::int64_t i = p * out_plane; i < (p + 1) * out_plane; ++i) to[index[i]] += dy[i];
  });
}

/// What a mean divides by, for output row i.
template <Real T>
void window_counts(const PoolGeometry& g, std::int64_t i, std::vector<T>& count) {
  auto inside = [](std::int64_t first, std::int64_t kernel, std::int64_t in) {
    return std::min(in, first + kernel) - std::max<std::int64_t>(0, first);
  };
  count.resize(std::size_t(g.out_size.w));
  const std::int64_t rows = inside(i * g.stride.h - g.padding.h, g.kernel.h, g.in_size.h);
  for (std::int64_t j = 0; j < g.out_size.w; ++j)
    count[std::size_t(j)] =
        T(g.count_include_pad ? g.kernel.h * g.kernel.w
                              : rows * inside(j * g.stride.w - g.padding.w, g.kernel.w, g.in_size.w));
}

/// y = sum of each window in row order / its count. Dilation is not used.
template <Real T>
void mean_pool2d(Device, const PoolGeometry& g, const T* x, T* y) {
  const Size2 in = g.in_size, out = g.out_size;
  for_each_plane(g.planes, g.in_plane(), [&](std::int64_t plane) {
    std::vector<T> count;
    for (std::int64_t i = 0; i < out.h; ++i) {
      T* to = y + plane * g.out_plane() + i * out.w;
      std::fill_n(to, out.w, T(0));
      for (std::int64_t k = 0; k < g.kernel.h; ++k) {
        const std::int64_t r = i * g.stride.h - g.padding.h + k, s = g.stride.w;
        if (r < 0 || r >= in.h) continue;
        for (std::int64_t l = 0; l < g.kernel.w; ++l) {
          const std::int64_t offset = l - g.padding.w;
          const Columns inside(offset, s, in.w, out.w);
          const T* row = x + plane * g.in_plane() + r * in.w + offset;
#pragma omp simd
          for (std::int64_t j = inside.begin; j < inside.end; ++j) to[j] += row[j * s];
        }
      }
      window_counts(g, i, count);
      for (std::int64_t j = 0; j < out.w; ++j) to[j] = to[j] / count[std::size_t(j)];
    }
  });
}

/// The adjoint of mean_pool2d.
template <Real T>
void mean_pool2d_adjoint(Device, const PoolGeometry& g, const T* dy, T* dx) {
  const Size2 in = g.in_size, out = g.out_size;
  for_each_plane(g.planes, g.in_plane(), [&](std::int64_t plane) {
    std::vector<T> count, share(static_cast<std::size_t>(out.w));
    T* to = dx + plane * g.in_plane();
    std::fill_n(to, g.in_plane(), T(0));
    for (std::int64_t i = 0; i < out.h; ++i) {
      window_counts(g, i, count);
      for (std::size_t j = 0; j < count.size(); ++j)
        share[j] = dy[plane * g.out_plane() + i * out.w + std::int64_t(j)] / count[j];
      for (std::int64_t k = 0; k < g.kernel.h; ++k) {
        const std::int64_t r = i * g.stride.h - g.padding.h + k, s = g.stride.w;
        if (r < 0 || r >= in.h) continue;
        for (std::int64_t l = 0; l < g.kernel.w; ++l) {
          const std::int64_t offset = l - g.padding.w;
          const Columns inside(offset, s, in.w, out.w);
          T* row = to + r * in.w + offset;
          const T* from = share.data();
#pragma omp simd
          for (std::int64_t j = inside.begin; j < inside.end; ++j) row[j * s] += from[j];
        }
      }
    }
  });
}

/// Output i of an adaptive pooling covers [floor(i in / out), ceil((i + 1) in / out)).
struct AdaptiveRange {
  std::int64_t begin, end;
  AdaptiveRange(std::int64_t i, std::int64_t in, std::int64_t out)
      : begin(i * in / out), end(((i + 1) * in + out - 1) / out) {}
  std::int64_t size() const { return end - begin; }
};

/// y = mean of each range of rows by range of columns; a window is summed in lanes along its rows, row after row.
template <Real T>
void adaptive_mean_pool2d(Device, std::int64_t planes, Size2 in, Size2 out, const T* x, T* y) {
  using V = Simd<T>;
  for_each_plane(planes, in.h * in.w, [&](std::int64_t plane) {
    for (std::int64_t i = 0; i < out.h; ++i)
      for (std::int64_t j = 0; j < out.w; ++j) {
        const AdaptiveRange rows(i, in.h, out.h), cols(j, in.w, out.w);
        V s(T(0));
        for (std::int64_t r = rows.begin; r < rows.end; ++r) {
          const T* row = x + (plane * in.h + r) * in.w;
          std::int64_t c = cols.begin;
          for (; c + V::size <= cols.end; c += V::size) s = s + V::load(row + c);
          if (c < cols.end) s = s + V::load(row + c, cols.end - c);
        }
        y[(plane * out.h + i) * out.w + j] = sum(s) / T(rows.size() * cols.size());
      }
  });
}

/// The adjoint of adaptive_mean_pool2d.
template <Real T>
void adaptive_mean_pool2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, const T* dy, T* dx) {
  for_each_plane(planes, in.h * in.w, [&](std::int64_t plane) {
    std::fill_n(dx + plane * in.h * in.w, in.h * in.w, T(0));
    for (std::int64_t i = 0; i < out.h; ++i)
      for (std::int64_t j = 0; j < out.w; ++j) {
        const AdaptiveRange rows(i, in.h, out.h), cols(j, in.w, out.w);
        const T share = dy[(plane * out.h + i) * out.w + j] / T(rows.size() * cols.size());
        for (std::int64_t r = rows.begin; r < rows.end; ++r) {
          T* row = dx + (plane * in.h + r) * in.w;
#pragma omp simd
          for (std::int64_t c = cols.begin; c < cols.end; ++c) row[c] += share;
        }
      }
  });
}

}  // namespace tenzo::cpu
