// Rotary position embedding: pairs of a head's numbers turn by an angle that grows with the token's position.
//   Source  Su et al. 2021, "RoFormer", section 3.2.2.
#pragma once

#include <algorithm>
#include <cmath>

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/shapes/rope.hpp"

namespace tenzo::cpu {

/// y = x with each pair (a, b) turned: (a cos − b sin, b cos + a sin) by the row of (positions, pairs) tables at the
/// token's position.
///   y may be x (with the same strides).
template <Real T>
void rope(Device, const RopeShape& s, const T* cos_table, const T* sin_table, const std::int64_t* positions, const T* x,
          T* y) {
  const std::int64_t pairs = s.pairs, rotary = 2 * pairs;
  for_rows(s.tokens, s.heads * s.dim, [&](std::int64_t t) {
    const T *cos = cos_table + positions[t] * pairs, *sin = sin_table + positions[t] * pairs;
    const T sign = s.inverse ? T(-1) : T(1);
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const T* a = x + t * s.from.token + h * s.from.head;
      T* b = y + t * s.to.token + h * s.to.head;
      if (s.layout == RopeLayout::half) {
#pragma omp simd
        for (std::int64_t i = 0; i < pairs; ++i) {
          const T u = a[i], v = a[i + pairs], n = sign * sin[i];
          b[i] = std::fma(u, cos[i], -(v * n));
          b[i + pairs] = std::fma(v, cos[i], u * n);
        }
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < pairs; ++i) {
          const T u = a[2 * i], v = a[2 * i + 1], n = sign * sin[i];
          b[2 * i] = std::fma(u, cos[i], -(v * n));
          b[2 * i + 1] = std::fma(v, cos[i], u * n);
        }
      }
      if (b != a) std::copy(a + rotary, a + s.dim, b + rotary);
    }
  });
}

}  // namespace tenzo::cpu
