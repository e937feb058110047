// Matrix products: batched with broadcasting, and the linear layer's y = x Wᵀ + b.
#pragma once

#include <cstdint>

#include "blas.hpp"
#include "device.hpp"
#include "memory.cuh"
#include "tenzo/cuda/matmul.hpp"

namespace tenzo::cuda {

namespace detail {

/// y (outer, channels, inner) = bias[channel].
///   Mapping  a thread 16 bytes of y where rows allow it, else a number.
///   Bound by writing y.
template <class T, int width>
struct SpreadKernel {
  static constexpr int max_threads = 256;
  std::int64_t packs, channels, inner;  // packs: of all y
  const T* bias;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid() * width;
    if (i >= packs * width) return;
    const std::int64_t c = i / inner % channels;
    Pack<T, width> v;
    if (inner == 1) {
      v = load<width>(bias + c);
    } else {
      const T b = load(bias + c);
      TENZO_UNROLL
      for (int k = 0; k < width; ++k) v[k] = b;
    }
    store<width>(y + i, v);
  }
};

/// y (outer, channels, inner) = bias[channel], to which a product or a convolution is added after: in one addition.
template <class T>
void spread(std::int64_t outer, std::int64_t channels, std::int64_t inner, const T* bias, T* y) {
  constexpr int width = 16 / int(sizeof(T)), threads = 256;
  const std::int64_t n = outer * channels * inner;
  if (n == 0) return;
  const bool whole = inner == 1 ? channels % width == 0 && is_aligned<width>(bias) : inner % width == 0;
  if (whole && is_aligned<width>(y))
    launch(SpreadKernel<T, width>{n / width, channels, inner, bias, y}, blocks_for(n / width, threads), threads);
  else launch(SpreadKernel<T, 1>{n, channels, inner, bias, y}, blocks_for(n, threads), threads);
}

/// The last axes of a batch along which each operand has every entry, or one that serves for all: they are one call.
struct BatchRun {
  std::int64_t entries = 1;
  bool steps_a = false, steps_b = false;

  explicit BatchRun(const MatMulShape& s) {
    bool fixed_a = false, fixed_b = false;
    for (int i = s.batch.rank() - 1; i >= 0; --i) {
      const std::int64_t n = s.batch[i];
      if (n == 1) continue;
      const bool has_a = has(s.batch_a, s.batch, i), has_b = has(s.batch_b, s.batch, i);
      if ((has_a ? fixed_a : steps_a) || (has_b ? fixed_b : steps_b)) return;
      (has_a ? steps_a : fixed_a) = true;
      (has_b ? steps_b : fixed_b) = true;
      entries *= n;
    }
  }

 private:
  static bool has(const Shape& operand, const Shape& batch, int axis) {
    const int i = axis - (batch.rank() - operand.rank());
    return i >= 0 && operand[i] != 1;
  }
};

}  // namespace detail

/// By cuBLAS: one call where the batch axes of the operands run alike, else one for each run. Where all rows meet one b
/// it is a single product.
template <Real T>
void matmul(Device device, const MatMulShape& s, const T* a, const T* b, T* c) {
  const std::int64_t all = s.batch.numel(), of_c = s.m * s.n;
  if (all * of_c == 0) return;
  if (s.k == 0) return fill_elements(device, all * of_c, c, T(0));
  const detail::BatchRun run(s);
  const std::int64_t step_a = run.steps_a ? s.m * s.k : 0, step_b = run.steps_b ? s.k * s.n : 0;
  for (std::int64_t e = 0; e < all; e += run.entries) {
    const detail::BlasOperand<const T> from_a{a + s.offset_a(e), step_a, s.ta}, from_b{b + s.offset_b(e), step_b, s.tb};
    const detail::BlasOperand<T> to{c + e * of_c, of_c};
    if (run.steps_a && !run.steps_b && !s.ta) detail::gemm<T>(1, run.entries * s.m, s.n, s.k, from_a, from_b, to);
    else detail::gemm<T>(run.entries, s.m, s.n, s.k, from_a, from_b, to);
  }
}

/// By cuBLAS, onto the bias.
template <Real T>
void affine(Device device, std::int64_t rows, std::int64_t k, std::int64_t n, bool in_out, const T* x, const T* weight,
            const T* bias, T* y) {
  if (rows * n == 0) return;
  if (bias) detail::spread(rows, n, 1, bias, y);
  else if (k == 0) fill_elements(device, rows * n, y, T(0));
  if (k > 0) detail::gemm<T>(1, rows, n, k, {x}, {weight, 0, !in_out}, {y}, bias != nullptr);
}

}  // namespace tenzo::cuda
