// Matrix products on the CPU. Every element is one chain of fused multiply-adds in the order of k.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/device.hpp"
#include "tenzo/core/gemm.hpp"
#include "tenzo/ops/shapes/matmul.hpp"

namespace tenzo::cpu {

/// c = op(a) op(b) for every entry of the batch.
template <Real T>
void matmul(Device, const MatMulShape& s, const T* a, const T* b, T* c) {
  using View = MatrixView<const T>;
  const std::int64_t entries = s.batch.numel(), work = s.m * s.n * s.k;
  const auto view_b = [&](std::int64_t at) {
    const View v = View::row_major(b + at, s.tb ? s.n : s.k, s.tb ? s.k : s.n);
    return s.tb ? v.transposed() : v;
  };
  if (s.shares_b()) {
    gemm<T>(View::row_major(a, entries * s.m, s.k), view_b(0), MatrixView<T>::row_major(c, entries * s.m, s.n));
    return;
  }
  // Large products are cut by themselves: all entries are then one piece, which runs where it is called.
  const std::int64_t grain = work >= std::int64_t(1) << 24
                                 ? entries
                                 : std::max<std::int64_t>(1, (std::int64_t(1) << 18) / std::max<std::int64_t>(1, work));
  parallel_for(entries, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t e = begin; e < end; ++e) {
      const View va = View::row_major(a + s.offset_a(e), s.ta ? s.k : s.m, s.ta ? s.m : s.k);
      gemm<T>(s.ta ? va.transposed() : va, view_b(s.offset_b(e)),
              MatrixView<T>::row_major(c + e * s.m * s.n, s.m, s.n));
    }
  });
}

/// y = x Wᵀ + bias: x (rows, k), W (n, k) or, `in_out`, (k, n), bias (n) or null, y (rows, n).
template <Real T>
void affine(Device, std::int64_t rows, std::int64_t k, std::int64_t n, bool in_out, const T* x, const T* weight,
            const T* bias, T* y) {
  using View = MatrixView<const T>;
  const View w = View::row_major(weight, in_out ? k : n, in_out ? n : k);
  gemm<T>(View::row_major(x, rows, k), in_out ? w : w.transposed(), MatrixView<T>::row_major(y, rows, n),
          {.accumulate = false, .bias = bias});
}

}  // namespace tenzo::cpu
