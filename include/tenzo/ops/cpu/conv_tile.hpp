// The inner loops of convolution: sums over channels and taps, held in registers.
//
// Every output is one chain of fused multiply-adds in the order (channel, tap), from zero, and then its bias is added.
// So neither the shape of a tile nor the choice between the two kernels below changes a bit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/ops/cpu/conv_blocks.hpp"
#include "tenzo/ops/cpu/prefetch.hpp"

namespace tenzo::cpu {

/// out[o][q] = Σ_{c < sources} Σ_{t < taps} weight(o, c, t) source[c plane + tap[t] + q], for neighbouring pixels q.
struct TapLoop {
  std::int64_t sources = 0, plane = 0;
  std::vector<std::int64_t> tap;  // of one channel
  std::vector<std::int64_t> run;  // the taps of `run_sources` channels, one after another: a long inner loop
  std::int64_t run_sources = 0;
  std::int64_t out_plane = 0, out_step = 1;  // elements to the next output channel, to the next pixel

  std::int64_t runs() const { return (sources + run_sources - 1) / run_sources; }
};

/// What is summed for one block of output channels: packed weights, and biases or null.
template <Real T>
struct TapBlock {
  const TapLoop& loop;
  ChannelBlock channels;
  const T* weight;
  const T* bias;
};

/// Pixels that lie side by side in the source, and where their sums go.
template <Real T>
struct Span {
  const T* source;
  T* out;
};

/// Rows · Pixels pixels times Vectors vectors of output channels; `spans` has Rows spans of Pixels pixels each.
///   weight  [sources][taps][Vectors · lanes];  out of each span [Pixels][Vectors · lanes]
template <Real T, int Vectors, int Rows, int Pixels>
void tap_tile(const TapBlock<T>& block, const Span<T>* spans, Prefetch& out, Prefetch& ahead) {
  using V = Simd<T>;
  const TapLoop& loop = block.loop;
  const T* weight = block.weight;
  constexpr int tile = Rows * Pixels;
  V sum[tile][Vectors];
  TENZO_CPU_UNROLL
  for (int i = 0; i < tile; ++i) TENZO_CPU_UNROLL
  for (int v = 0; v < Vectors; ++v) sum[i][v] = V(T(0));

  const T* x[Rows];
  TENZO_CPU_UNROLL
  for (int r = 0; r < Rows; ++r) x[r] = spans[r].source;
  const auto taps = std::int64_t(loop.tap.size());
  for (std::int64_t c = 0; c < loop.sources; c += loop.run_sources) {
    const std::int64_t steps = std::min(loop.run_sources, loop.sources - c) * taps;
    const std::int64_t* tap = loop.run.data();
    out.step<true>();
    ahead.step<false>();
    for (std::int64_t k = 0; k < steps; ++k, weight += Vectors * V::size) {
      const std::int64_t at = tap[k];
      V w[Vectors];
      TENZO_CPU_UNROLL
      for (int v = 0; v < Vectors; ++v) w[v] = V::load(weight + v * V::size);
      TENZO_CPU_UNROLL
      for (int r = 0; r < Rows; ++r) TENZO_CPU_UNROLL
      for (int i = 0; i < Pixels; ++i) {
        const V pixel(x[r][at + i]);
        TENZO_CPU_UNROLL
        for (int v = 0; v < Vectors; ++v) sum[r * Pixels + i][v] = fmadd(pixel, w[v], sum[r * Pixels + i][v]);
      }
    }
    TENZO_CPU_UNROLL
    for (int r = 0; r < Rows; ++r) x[r] += loop.run_sources * loop.plane;
  }

  TENZO_CPU_UNROLL
  for (int r = 0; r < Rows; ++r) TENZO_CPU_UNROLL
  for (int i = 0; i < Pixels; ++i) TENZO_CPU_UNROLL
  for (int v = 0; v < Vectors; ++v) sum[r * Pixels + i][v].store(spans[r].out + (i * Vectors + v) * V::size);
}

/// Spans vectors of pixels times Outputs channels, written to memory at once.
///   weight  [sources][taps][Outputs];  pixels  of each span, at most a vector; a whole one is read in any case
template <Real T, int Outputs, int Spans>
void tap_line(const TapBlock<T>& block, const Span<T>* spans, std::int64_t pixels, Prefetch& ahead) {
  using V = Simd<T>;
  const TapLoop& loop = block.loop;
  const T *weight = block.weight, *bias = block.bias;
  V sum[Outputs][Spans];
  TENZO_CPU_UNROLL
  for (int o = 0; o < Outputs; ++o) TENZO_CPU_UNROLL
  for (int s = 0; s < Spans; ++s) sum[o][s] = V(T(0));

  const T* x[Spans];
  TENZO_CPU_UNROLL
  for (int s = 0; s < Spans; ++s) x[s] = spans[s].source;
  const auto taps = std::int64_t(loop.tap.size());
  for (std::int64_t c = 0; c < loop.sources; c += loop.run_sources) {
    const std::int64_t steps = std::min(loop.run_sources, loop.sources - c) * taps;
    const std::int64_t* tap = loop.run.data();
    ahead.step<false>();
    for (std::int64_t k = 0; k < steps; ++k, weight += Outputs) {
      const std::int64_t at = tap[k];
      V pixel[Spans];
      TENZO_CPU_UNROLL
      for (int s = 0; s < Spans; ++s) pixel[s] = V::load(x[s] + at);
      TENZO_CPU_UNROLL
      for (int o = 0; o < Outputs; ++o) {
        const V w(weight[o]);
        TENZO_CPU_UNROLL
        for (int s = 0; s < Spans; ++s) sum[o][s] = fmadd(pixel[s], w, sum[o][s]);
      }
    }
    TENZO_CPU_UNROLL
    for (int s = 0; s < Spans; ++s) x[s] += loop.run_sources * loop.plane;
  }

  TENZO_CPU_UNROLL
  for (int o = 0; o < Outputs; ++o) {
    const V b(bias ? bias[o] : T(0));
    TENZO_CPU_UNROLL
    for (int s = 0; s < Spans; ++s) {
      T* to = spans[s].out + o * loop.out_plane;
      const V y = bias ? sum[o][s] + b : sum[o][s];
      if (loop.out_step != 1) {
        T lane[V::size];
        y.store(lane);
        for (std::int64_t i = 0; i < pixels; ++i) to[i * loop.out_step] = lane[i];
      } else if (pixels == V::size) {
        y.store(to);
      } else {
        y.store(to, pixels);
      }
    }
  }
}

}  // namespace tenzo::cpu
