// Layer norm and RMS norm of rows: forward, keeping what the gradient needs, and backward.
//
// The variance is two-pass, Σ (x − mean)² / n: no digits are lost where the mean is large. weight and bias, n numbers
// each, may be null: one and zero. Sums over rows go by fixed pieces of 32 rows, so gradients do not depend on threads.
#pragma once

#include <algorithm>
#include <cmath>

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/cpu/scratch.hpp"

namespace tenzo::cpu {

/// weight[i … i + w), or ones.
template <Real T>
TENZO_INLINE Simd<T> weight_lanes(const T* weight, std::int64_t i, std::int64_t w) {
  return weight ? load_lanes(weight + i, w) : Simd<T>(T(1));
}

/// gw[j] and gb[j], sums over rows: `row(r, gw, gb)` adds the share of row r to its piece's sums. Either may be null.
template <Real T, class F>
void sum_over_rows(std::int64_t rows, std::int64_t n, T* gw, T* gb, F&& row) {
  constexpr std::int64_t piece = 32;
  const std::int64_t pieces = (rows + piece - 1) / piece;
  const Scratch<T> pw(gw ? pieces * n : 0), pb(gb ? pieces * n : 0);
  for_rows(pieces, piece * n, [&](std::int64_t p) {
    T *to_w = gw ? pw.data() + p * n : nullptr, *to_b = gb ? pb.data() + p * n : nullptr;
    if (to_w) std::fill_n(to_w, n, T(0));
    if (to_b) std::fill_n(to_b, n, T(0));
    for (std::int64_t r = p * piece; r < std::min(rows, (p + 1) * piece); ++r) row(r, to_w, to_b);
  });
  if (gw) sum_middle(Device{}, 1, pieces, n, pw.data(), gw);
  if (gb) sum_middle(Device{}, 1, pieces, n, pb.data(), gb);
}

/// sums[i … i + w) += v.
template <Real T>
TENZO_INLINE void add_lanes(T* sums, std::int64_t i, std::int64_t w, const Simd<T>& v) {
  if (sums) store_lanes(load_lanes(sums + i, w) + v, sums + i, w);
}

/// y = (x − mean) rstd weight + bias over each row of n, with rstd = 1 / √(variance + eps).
///   mean, rstd  (rows), kept for the gradient
template <Real T>
void layer_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                T* mean, T* rstd) {
  using V = Simd<T>;
  for_rows(rows, n, [&](std::int64_t r) {
    const T* from = x + r * n;
    mean[r] = sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { return load_lanes(from + i, w); }) / T(n);
    const V m(mean[r]);
    const T squares = sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
      const V d = load_lanes(from + i, w, mean[r]) - m;
      return d * d;
    });
    rstd[r] = T(1) / std::sqrt(squares / T(n) + T(eps));
    const V s(rstd[r]);
    for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
      const V h = (load_lanes(from + i, w) - m) * s;
      const V b = bias ? load_lanes(bias + i, w) : V(T(0));
      store_lanes(fmadd(h, weight_lanes(weight, i, w), b), y + r * n + i, w);
    });
  });
}

/// With h = (x − mean) rstd and g = gy weight:
///   gx = rstd (g − mean g − h mean(g h)),   gw = Σ over rows of gy h,   gb = Σ over rows of gy.
///   Each of gx, gw, gb may be null; gx may be gy.
template <Real T>
void layer_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb) {
  using V = Simd<T>;
  sum_over_rows<T>(rows, n, gw, gb, [&](std::int64_t r, T* to_w, T* to_b) {
    const T *from = x + r * n, *up = gy + r * n;
    const V m(mean[r]), s(rstd[r]);
    const auto h = [&](std::int64_t i, std::int64_t w) { return (load_lanes(from + i, w, mean[r]) - m) * s; };
    const auto g = [&](std::int64_t i, std::int64_t w) { return load_lanes(up + i, w) * weight_lanes(weight, i, w); };
    if (to_w || to_b) {
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
        const V u = load_lanes(up + i, w);
        add_lanes(to_w, i, w, u * h(i, w));
        add_lanes(to_b, i, w, u);
      });
    }
    if (!gx) return;
    const V g_mean(sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { return g(i, w); }) / T(n));
    const V gh_mean(sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { return g(i, w) * h(i, w); }) / T(n));
    for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
      const V centred = g(i, w) - g_mean;
      store_lanes((centred - h(i, w) * gh_mean) * s, gx + r * n + i, w);
    });
  });
}

/// y = x rstd weight over each row of n, with rstd = 1 / √(mean x² + eps), kept for the gradient.
template <Real T>
void rms_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, double eps, T* y, T* rstd) {
  using V = Simd<T>;
  for_rows(rows, n, [&](std::int64_t r) {
    const T* from = x + r * n;
    const T squares = sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
      const V v = load_lanes(from + i, w);
      return v * v;
    });
    rstd[r] = T(1) / std::sqrt(squares / T(n) + T(eps));
    const V s(rstd[r]);
    for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
      store_lanes(load_lanes(from + i, w) * s * weight_lanes(weight, i, w), y + r * n + i, w);
    });
  });
}

/// With h = x rstd and g = gy weight:   gx = rstd (g − h mean(g h)),   gw = Σ over rows of gy h.
///   Either of gx, gw may be null; gx may be gy.
template <Real T>
void rms_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* rstd,
                       const T* gy, T* gx, T* gw) {
  using V = Simd<T>;
  sum_over_rows<T>(rows, n, gw, static_cast<T*>(nullptr), [&](std::int64_t r, T* to_w, T*) {
    const T *from = x + r * n, *up = gy + r * n;
    const V s(rstd[r]);
    const auto h = [&](std::int64_t i, std::int64_t w) { return load_lanes(from + i, w) * s; };
    const auto g = [&](std::int64_t i, std::int64_t w) { return load_lanes(up + i, w) * weight_lanes(weight, i, w); };
    if (to_w) {
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { add_lanes(to_w, i, w, load_lanes(up + i, w) * h(i, w)); });
    }
    if (!gx) return;
    const V gh_mean(sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { return g(i, w) * h(i, w); }) / T(n));
    for_lanes<T>(
        n, [&](std::int64_t i, std::int64_t w) { store_lanes((g(i, w) - h(i, w) * gh_mean) * s, gx + r * n + i, w); });
  });
}

}  // namespace tenzo::cpu
