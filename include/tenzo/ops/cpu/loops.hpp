// Element loops on the CPU: flat, broadcast, and sums over axes. Results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/shape.hpp"
#include "tenzo/ops/shapes/walks.hpp"

namespace tenzo::cpu {

/// Elements a piece of a parallel element loop handles.
inline constexpr std::int64_t element_grain = 1 << 14;

// The loops below are flattened: a call of f that is left over would keep them from being vectorised.

/// y[i] = f(x[i]...) for i in [0, n).
template <class Y, class F, class... X>
void map(Device, std::int64_t n, Y* y, F&& f, const X*... x) {
  parallel_for(
      n, element_grain, [&](std::int64_t begin, std::int64_t end) __attribute__((flatten)) {
#pragma omp simd
        for (std::int64_t i = begin; i < end; ++i) y[i] = f(x[i]...);
      });
}

/// y = f(a, b) with broadcasting; y has the broadcast shape.
template <class T, class F>
void map_broadcast(Device, const Shape& out, T* y, const Shape& shape_a, const T* a, const Shape& shape_b, const T* b,
                   F&& f) {
  const std::int64_t n = out.numel();
  if (n == 0) return;
  if (shape_a == out && shape_b == out) return map(Device{}, n, y, f, a, b);
  const BroadcastWalk walk(out, shape_a, shape_b);
  const int last = walk.rank - 1;
  const std::int64_t inner = walk.extent[last], da = walk.step_a[last], db = walk.step_b[last];
  auto row = [&](std::int64_t begin, std::int64_t end, T * to, const T* pa, const T* pb) __attribute__((flatten)) {
    const T va = *pa, vb = *pb;
    if (da && db) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) to[i] = f(pa[i * da], pb[i * db]);
    } else if (da) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) to[i] = f(pa[i * da], vb);
    } else {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) to[i] = f(va, pb[i * db]);
    }
  };
  if (walk.rank == 1) {
    parallel_for(inner, element_grain, [&](std::int64_t begin, std::int64_t end) { row(begin, end, y, a, b); });
    return;
  }
  const std::int64_t rows = n / inner;
  parallel_for(rows, std::max<std::int64_t>(1, element_grain / inner), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      std::int64_t rest = r, oa = 0, ob = 0;
      for (int i = last - 1; i >= 0; --i) {
        const std::int64_t at = rest % walk.extent[i];
        rest /= walk.extent[i];
        oa += at * walk.step_a[i];
        ob += at * walk.step_b[i];
      }
      row(0, inner, y + r * inner, a + oa, b + ob);
    }
  });
}

/// Sum of n consecutive numbers: sixteen interleaved partial sums in runs of 1024, joined by a fixed tree.
template <class T>
T sum_run(const T* x, std::int64_t n) {
  constexpr int lanes = 16;
  T part[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
#pragma omp simd
    for (int l = 0; l < lanes; ++l) part[l] += x[i + l];
  }
  for (int l = 0; i < n; ++i, ++l) part[l] += x[i];
  for (int half = lanes / 2; half; half /= 2)
    for (int l = 0; l < half; ++l) part[l] += part[l + half];
  return part[0];
}

/// Sum of n consecutive numbers in runs of 4096, the runs' sums joined in double.
template <class T>
T sum_all(const T* x, std::int64_t n) {
  constexpr std::int64_t run = 4096;
  if (n <= run) return sum_run(x, n);
  double total = 0;
  for (std::int64_t i = 0; i < n; i += run) total += double(sum_run(x + i, std::min(run, n - i)));
  return T(total);
}

/// y(outer, inner) = Σ over the middle axis of x(outer, n, inner).
template <class T>
void sum_middle(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  if (inner == 1) {
    parallel_for(outer, std::max<std::int64_t>(1, element_grain / std::max<std::int64_t>(1, n)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t o = begin; o < end; ++o) y[o] = sum_all(x + o * n, n);
                 });
    return;
  }
  constexpr std::int64_t width = 256, run = 64;  // columns of a piece; rows summed before their sum is passed on
  const std::int64_t blocks = (inner + width - 1) / width;
  parallel_for(outer * blocks, std::max<std::int64_t>(1, element_grain / (width * std::max<std::int64_t>(1, n))),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t piece = begin; piece < end; ++piece) {
                   const std::int64_t o = piece / blocks, c0 = piece % blocks * width;
                   const std::int64_t w = std::min(width, inner - c0);
                   T* to = y + o * inner + c0;
                   const T* from = x + o * n * inner + c0;
                   T part[width];
                   std::fill_n(to, w, T(0));
                   for (std::int64_t i0 = 0; i0 < n; i0 += run) {
                     std::fill_n(part, w, T(0));
                     for (std::int64_t i = i0; i < std::min(n, i0 + run); ++i) {
#pragma omp simd
                       for (std::int64_t c = 0; c < w; ++c) part[c] += from[i * inner + c];
                     }
#pragma omp simd
                     for (std::int64_t c = 0; c < w; ++c) to[c] += part[c];
                   }
                 }
               });
}

}  // namespace tenzo::cpu
