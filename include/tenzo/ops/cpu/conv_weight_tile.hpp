// The inner loops of a convolution's gradient by its weights: sums over pixels, held in registers.
#pragma once

#include <cstdint>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/ops/cpu/prefetch.hpp"

namespace tenzo::cpu {

/// The pixels to sum over: of `images` images, rows of `cols` neighbours.
struct PixelLoop {
  std::int64_t images = 0, rows = 0, cols = 0;
  std::int64_t x_image = 0, x_row = 0;  // elements of the window to the next image, to the next row of outputs
  std::int64_t dy_image = 0;            // elements of dy to the next image
};

/// Adds to Runs times Taps weights of Vectors vectors of channels: taps of a run are neighbours in the window.
///   x    window;  run[r] offset of the run's first tap;  dy [pixel][Vectors · lanes];  sum[r] [Taps][Vectors · lanes]
template <Real T, int Vectors, int Runs, int Taps>
void weight_tile(const PixelLoop& loop, const T* x, const std::int64_t* run, const T* dy, T* const* sum,
                 Prefetch& ahead) {
  using V = Simd<T>;
  V acc[Runs * Taps][Vectors];
  TENZO_CPU_UNROLL
  for (int r = 0; r < Runs; ++r) TENZO_CPU_UNROLL
  for (int t = 0; t < Taps; ++t) TENZO_CPU_UNROLL
  for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v] = V::load(sum[r] + (t * Vectors + v) * V::size);
  const T* source[Runs];
  TENZO_CPU_UNROLL
  for (int r = 0; r < Runs; ++r) source[r] = x + run[r];
  for (std::int64_t j = 0; j < loop.images * loop.rows; ++j) {
    const std::int64_t first = j / loop.rows * loop.x_image + j % loop.rows * loop.x_row;
    ahead.step<false>();
    for (std::int64_t q = first; q < first + loop.cols; ++q, dy += Vectors * V::size) {
      asm("" : "+r"(q));  // else g++ carries x[q + 1] over to the next pixel, in registers that it does not have
      V g[Vectors];
      TENZO_CPU_UNROLL
      for (int v = 0; v < Vectors; ++v) g[v] = V::load(dy + v * V::size);
      TENZO_CPU_UNROLL
      for (int r = 0; r < Runs; ++r) TENZO_CPU_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel(source[r][q + t]);
        TENZO_CPU_UNROLL
        for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v] = fmadd(pixel, g[v], acc[r * Taps + t][v]);
      }
    }
  }
  TENZO_CPU_UNROLL
  for (int r = 0; r < Runs; ++r) TENZO_CPU_UNROLL
  for (int t = 0; t < Taps; ++t) TENZO_CPU_UNROLL
  for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v].store(sum[r] + (t * Vectors + v) * V::size);
}

/// Adds to the weights of Outputs channels and Taps taps, lanes along the rows.
///   dy   plane of the first channel at the band, `dy_plane` to the next;  sum [Outputs][Taps] vectors, `sum_step`
///        elements from a channel to the next
template <Real T, int Outputs, int Taps>
void weight_row(const PixelLoop& loop, const T* x, const std::int64_t* tap, const T* dy, std::int64_t dy_plane, T* sum,
                std::int64_t sum_step) {
  using V = Simd<T>;
  V acc[Outputs][Taps];
  TENZO_CPU_UNROLL
  for (int o = 0; o < Outputs; ++o) TENZO_CPU_UNROLL
  for (int t = 0; t < Taps; ++t) acc[o][t] = V::load(sum + o * sum_step + t * V::size);
  for (std::int64_t j = 0; j < loop.images * loop.rows; ++j) {
    const std::int64_t image = j / loop.rows, row = j % loop.rows;
    const T* source = x + image * loop.x_image + row * loop.x_row;
    const T* from = dy + image * loop.dy_image + row * loop.cols;
    std::int64_t q = 0;
    for (; q + V::size <= loop.cols; q += V::size) {
      V g[Outputs];
      TENZO_CPU_UNROLL
      for (int o = 0; o < Outputs; ++o) g[o] = V::load(from + o * dy_plane + q);
      TENZO_CPU_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel = V::load(source + tap[t] + q);
        TENZO_CPU_UNROLL
        for (int o = 0; o < Outputs; ++o) acc[o][t] = fmadd(pixel, g[o], acc[o][t]);
      }
    }
    if (const std::int64_t left = loop.cols - q; left > 0) {
      V g[Outputs];
      TENZO_CPU_UNROLL
      for (int o = 0; o < Outputs; ++o) g[o] = V::load(from + o * dy_plane + q, left);
      TENZO_CPU_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel = V::load(source + tap[t] + q, left);
        TENZO_CPU_UNROLL
        for (int o = 0; o < Outputs; ++o) acc[o][t] = fmadd(pixel, g[o], acc[o][t]);
      }
    }
  }
  TENZO_CPU_UNROLL
  for (int o = 0; o < Outputs; ++o) TENZO_CPU_UNROLL
  for (int t = 0; t < Taps; ++t) acc[o][t].store(sum + o * sum_step + t * V::size);
}

}  // namespace tenzo::cpu
