// Gated units of transformers, y = f(gate) · up, in one pass, and their gradients.
#pragma once

#include "tenzo/core/device.hpp"
#include "tenzo/core/math.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/shapes/gate.hpp"

namespace tenzo::cpu {

/// silu(x) = x sigmoid(x), and its slope.
struct SiluLanes {
  template <Real T>
  TENZO_INLINE Simd<T> value(const Simd<T>& x) const {
    return x * math::sigmoid(x);
  }
  template <Real T>
  TENZO_INLINE Simd<T> slope(const Simd<T>& x) const {
    const Simd<T> s = math::sigmoid(x), one(T(1));
    return s * (one + x * (one - s));
  }
};

/// Any function of numbers, for an F with f(x) and f.slope(x, f(x)), lane by lane.
template <class F>
struct Lanewise {
  F f;

  template <Real T>
  TENZO_INLINE Simd<T> value(const Simd<T>& x) const {
    return each(x, [this](T v) { return f(v); });
  }
  template <Real T>
  TENZO_INLINE Simd<T> slope(const Simd<T>& x) const {
    return each(x, [this](T v) { return f.slope(v, f(v)); });
  }

 private:
  template <Real T, class G>
  TENZO_INLINE static Simd<T> each(const Simd<T>& x, G&& g) {
    T lane[Simd<T>::size];
    x.store(lane);
#pragma omp simd
    for (int l = 0; l < Simd<T>::size; ++l) lane[l] = g(lane[l]);
    return Simd<T>::load(lane);
  }
};

/// f(row, first, count) for pieces of the rows, in parallel.
template <class F>
void for_row_pieces(const GateShape& s, F&& f) {
  constexpr std::int64_t piece = 4096;
  const std::int64_t pieces = (s.columns + piece - 1) / piece;
  for_rows(s.rows * pieces, std::min(piece, s.columns), [&](std::int64_t i) {
    const std::int64_t first = i % pieces * piece;
    f(i / pieces, first, std::min(piece, s.columns - first));
  });
}

/// y = f(gate) · up.
template <Real T, class F = SiluLanes>
void gated(Device, const GateShape& s, const T* gate, const T* up, T* y, const F& f = {}) {
  for_row_pieces(s, [&](std::int64_t r, std::int64_t first, std::int64_t count) {
    const T *g = gate + r * s.gate + first, *u = up + r * s.up + first;
    T* to = y + r * s.columns + first;
    for_lanes<T>(count, [&](std::int64_t i, std::int64_t w) {
      store_lanes(f.value(load_lanes(g + i, w)) * load_lanes(u + i, w), to + i, w);
    });
  });
}

/// g_gate = gy up f′(gate),   g_up = gy f(gate).   They may be gate and up themselves.
template <Real T, class F = SiluLanes>
void gated_backward(Device, const GateShape& s, const T* gate, const T* up, const T* gy, T* g_gate, T* g_up,
                    const F& f = {}) {
  for_row_pieces(s, [&](std::int64_t r, std::int64_t first, std::int64_t count) {
    const std::int64_t at_gate = r * s.gate + first, at_up = r * s.up + first, at_y = r * s.columns + first;
    for_lanes<T>(count, [&](std::int64_t i, std::int64_t w) {
      const Simd<T> x = load_lanes(gate + at_gate + i, w), v = load_lanes(gy + at_y + i, w);
      const Simd<T> to_gate = v * load_lanes(up + at_up + i, w) * f.slope(x);
      store_lanes(v * f.value(x), g_up + at_up + i, w);
      store_lanes(to_gate, g_gate + at_gate + i, w);
    });
  });
}

}  // namespace tenzo::cpu
