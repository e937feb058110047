// What optimizers do with the elements of one tensor, and the sums over elements that solvers ask for.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/shapes/update.hpp"

namespace tenzo::cpu {

/// One step with momentum on n elements w with the gradient g and the buffer m.
template <Real T>
void momentum_update(Device, std::int64_t n, const MomentumUpdate<T>& u, const T* g, T* m, T* w) {
  parallel_for(n, element_grain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) {
      const T d = g[i] + u.decay * w[i];
      m[i] = u.mu * m[i] + d;
      w[i] -= u.rate * (u.ahead ? d + u.mu * m[i] : m[i]);
    }
  });
}

/// One step of Adam on n elements w with the gradient g and the moments m and v; with `largest`, the root is of the
/// largest v so far, which is kept there.
template <Real T>
void adam_update(Device, std::int64_t n, const AdamUpdate<T>& u, const T* g, T* m, T* v, T* largest, T* w) {
  using L = Simd<T>;
  parallel_for(n, element_grain, [=](std::int64_t begin, std::int64_t end) {
    const L b1{u.b1}, c1{u.c1}, b2{u.b2}, c2{u.c2}, mean_scale{u.mean_scale}, root_scale{u.root_scale}, eps{u.eps},
        decay{u.decay};
    for_lanes<T>(end - begin, [=](std::int64_t offset, std::int64_t count) {
      const std::int64_t i = begin + offset;
      const L slope = load_lanes(g + i, count), x = load_lanes(w + i, count);
      const L mean = b1 * load_lanes(m + i, count) + c1 * slope;
      L square = b2 * load_lanes(v + i, count) + c2 * slope * slope;
      store_lanes(mean, m + i, count);
      store_lanes(square, v + i, count);
      if (largest) {
        square = max(load_lanes(largest + i, count), square);
        store_lanes(square, largest + i, count);
      }
      store_lanes(x - (mean_scale * mean / (sqrt(square) * root_scale + eps) + decay * x), w + i, count);
    });
  });
}

/// Σ a b in double: runs of 4096 elements by sixteen partial sums, the runs' sums one after another.
template <class T>
double dot_elements(Device, std::int64_t n, const T* a, const T* b) {
  constexpr std::int64_t run = 4096, lanes = 16;
  std::vector<double> sums(std::size_t((n + run - 1) / run));
  parallel_for(n, run, [&](std::int64_t begin, std::int64_t end) {
    T part[lanes] = {};
    std::int64_t i = begin;
    for (; i + lanes <= end; i += lanes) {
#pragma omp simd
      for (std::int64_t l = 0; l < lanes; ++l) part[l] += a[i + l] * b[i + l];
    }
    for (std::int64_t l = 0; i < end; ++i, ++l) part[l] += a[i] * b[i];
    for (std::int64_t half = lanes / 2; half; half /= 2)
      for (std::int64_t l = 0; l < half; ++l) part[l] += part[l + half];
    sums[std::size_t(begin / run)] = double(part[0]);
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

/// Σ x², every square in double: a square of a float may be too large or too small for one.
template <class T>
double squares_of(Device, std::int64_t n, const T* x) {
  double squares = 0;
  for (std::int64_t i = 0; i < n; i += 4096) {  // fixed runs: the sum does not depend on threads
    double part[16] = {};
    const std::int64_t end = std::min(n, i + 4096);
    for (std::int64_t j = i; j < end; ++j) part[(j - i) % 16] += double(x[j]) * double(x[j]);
    for (const double p : part) squares += p;
  }
  return squares;
}

}  // namespace tenzo::cpu
