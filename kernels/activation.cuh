// Gated units of transformers, y = f(gate) · up, in one pass, and their gradients.
#pragma once

#include <cstdint>

#include "lines.hpp"
#include "tenzo/cuda/activation.hpp"

namespace tenzo::cuda {

namespace detail {

/// y = f(gate) · up.
///   Mapping  a thread a vector of a row. Bound by memory: gate and up are read and y is written once.
template <class T, int width, class F>
struct GatedKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, columns, gate_step, up_step;  // columns in vectors
  const T *gate, *up;
  T* y;
  F f;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t row = i / columns, column = i % columns * width;
    const auto g = load<width>(gate + row * gate_step + column);
    auto v = load<width>(up + row * up_step + column);
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) v[j] = f(g[j]) * v[j];
    store<width>(y + i * width, v);
  }
};

/// g_gate = gy up f′(gate),   g_up = gy f(gate).
///   Mapping  a thread a vector of a row. Bound by memory: three numbers are read and two written once.
template <class T, int width, class F>
struct GatedBackwardKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, columns, gate_step, up_step;
  const T *gate, *up, *gy;
  T *g_gate, *g_up;
  F f;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t row = i / columns, column = i % columns * width;
    const std::int64_t at_gate = row * gate_step + column, at_up = row * up_step + column;
    auto g = load<width>(gate + at_gate), u = load<width>(up + at_up);
    const auto v = load<width>(gy + i * width);
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) {
      const T value = f(g[j]), slope = f.slope(g[j], value);
      g[j] = v[j] * u[j] * slope;
      u[j] = v[j] * value;
    }
    store<width>(g_up + at_up, u);
    store<width>(g_gate + at_gate, g);
  }
};

/// Calls run(shape, width) for rows whose starts are all aligned, with `wide<T>`, or else with 1. Rows without gaps are
/// one row.
template <class T, class F, class... P>
void with_gate_width(GateShape s, F&& run, const P*... arrays) {
  if (s.gate == s.columns && s.up == s.columns) s = GateShape::two_arrays(1, s.rows * s.columns);
  if (s.rows * s.columns == 0) return;
  const auto aligned = [](std::int64_t n) { return n % wide<T> == 0; };
  const bool one_row = s.rows == 1;
  if (aligned(s.columns) && (one_row || (aligned(s.gate) && aligned(s.up))) && (is_aligned<wide<T>>(arrays) && ...))
    run(s, std::integral_constant<int, wide<T>>{});
  else run(s, std::integral_constant<int, 1>{});
}

}  // namespace detail

template <Real T, class F>
void gated(Device, const GateShape& shape, const T* gate, const T* up, T* y, const F& f) {
  detail::with_gate_width<T>(
      shape,
      [&](const GateShape& s, auto w) {
        constexpr int width = w();
        const std::int64_t vectors = s.rows * s.columns / width;
        launch(detail::GatedKernel<T, width, F>{vectors, s.columns / width, s.gate, s.up, gate, up, y, f},
               blocks_for(vectors, 256), 256);
      },
      gate, up, y);
}

template <Real T, class F>
void gated_backward(Device, const GateShape& shape, const T* gate, const T* up, const T* gy, T* g_gate, T* g_up,
                    const F& f) {
  detail::with_gate_width<T>(
      shape,
      [&](const GateShape& s, auto w) {
        constexpr int width = w();
        const std::int64_t vectors = s.rows * s.columns / width;
        launch(detail::GatedBackwardKernel<T, width, F>{vectors, s.columns / width, s.gate, s.up, gate, up, gy, g_gate,
                                                        g_up, f},
               blocks_for(vectors, 256), 256);
      },
      gate, up, gy, g_gate, g_up);
}

}  // namespace tenzo::cuda
