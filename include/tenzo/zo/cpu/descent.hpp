// Steps of zeroth-order optimizers on the CPU: each run of a leaf's elements is read, moved and written once, with the
// directions drawn as it goes.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/stored.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/zo/descent.hpp"
#include "tenzo/zo/direction.hpp"

namespace tenzo::zo::detail {

/// Rounds to bfloat16 stochastically: up with the probability of its distance to the lower neighbour, by 16 random
/// bits.
inline bfloat16 round_stochastic(float x, std::uint32_t bits16) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  bfloat16 r;
  if ((u & 0x7f800000u) == 0x7f800000u) return bfloat16(x);
  r.bits = std::uint16_t((u + bits16) >> 16);
  return r;
}

/// f(values, row, col, n) on runs of a leaf's rows as floats, in parallel; what f leaves there is stored back.
///   bfloat16 is rounded stochastically by the rounding noise of (seed, step, leaf); half to nearest.
template <class F>
void update_runs_(StoredTensor& w, const NoiseKey& rounding, F&& f) {
  const std::int64_t rows = w.rows(), cols = w.cols();
  const DType type = w.dtype();
  require(type == DType::f32 || type == DType::bf16 || type == DType::f16, "zo: weights of type ", type,
          " are frozen; train f32, f16 or bf16");
  w.writable_bytes();
  for_row_runs(rows, cols, [&](std::int64_t row, std::int64_t col, std::int64_t n) {
    if (type == DType::f32) {
      f(reinterpret_cast<float*>(w.writable_row(row)) + col, row, col, n);
      return;
    }
    float values[4096];
    w.decode(row, 1, col, n, values, n);
    f(values, row, col, n);
    if (type == DType::f16) {
      w.encode(row, 1, col, n, values, n);
      return;
    }
    auto* to = reinterpret_cast<bfloat16*>(w.writable_row(row)) + col;
    std::uint32_t words[4];
    const std::int64_t row_blocks = (cols + 7) / 8;
    for (std::int64_t j = 0; j < n; ++j) {
      const std::int64_t c = col + j;
      if (j == 0 || c % 8 == 0) {
        const auto block = philox4x32(
            {std::uint32_t(row * row_blocks + c / 8), rounding.tensor, rounding.query, rounding.step}, rounding.seed);
        std::copy(block.begin(), block.end(), words);
      }
      to[j] = round_stochastic(values[j], (words[c % 8 / 2] >> (c % 2 * 16)) & 0xffffu);
    }
  });
}

}  // namespace tenzo::zo::detail

namespace tenzo::cpu {

/// The step on a leaf of f32, f16 or bf16, in place; m and v, of as many elements, where the rule has them. Half is
/// rounded to nearest, bfloat16 stochastically, once.
TENZO_COMPILED void descend_leaf_(Device, const zo::Descent& step, StoredTensor& w, std::uint32_t leaf,
                                  const std::vector<zo::Step>& steps, float* m, float* v);

#if TENZO_DEFINES(zo)
TENZO_COMPILED void descend_leaf_(Device, const zo::Descent& step, StoredTensor& w, std::uint32_t leaf,
                                  const std::vector<zo::Step>& steps, float* m, float* v) {
  using zo::UpdateRule;
  const std::int64_t rows = w.rows(), cols = w.cols();
  if (step.rule == UpdateRule::sgd && step.decay == 0.f) {
    if (w.dtype() == DType::f32)
      return zo::add_steps_(reinterpret_cast<float*>(w.writable_row(0)), rows, cols, leaf, steps);
    if (w.dtype() == DType::bf16 && steps.size() == 1 && zo::detail::is_plain(steps[0].direction, leaf, rows)) {
      const zo::Direction& d = steps[0].direction;
      if (d.covers(leaf))
        add_scaled_(reinterpret_cast<bfloat16*>(w.writable_row(0)), rows, cols, zo::detail::noise_law(d),
                    zo::detail::noise_key(d, leaf), steps[0].factor);
      return;
    }
  }
  using Lanes = Simd<float>;
  const Lanes b1{step.b1}, b2{step.b2}, c1{step.c1}, c2{step.c2}, eps{step.eps}, scale1{step.scale1},
      scale2{step.scale2};
  zo::detail::update_runs_(w, step.rounding, [&](float* x, std::int64_t row, std::int64_t col, std::int64_t count) {
    if (step.decay != 0)
      for (std::int64_t j = 0; j < count; ++j) x[j] = std::fma(-step.decay, x[j], x[j]);
    if (step.rule == UpdateRule::sgd) {
      zo::detail::add_steps_to_row_(x, steps, leaf, rows, cols, row, col, count);
      return;
    }
    float d[4096];
    std::fill_n(d, count, 0.f);
    zo::detail::add_steps_to_row_(d, steps, leaf, rows, cols, row, col, count);
    const std::int64_t at = row * cols + col;
    switch (step.rule) {
      case UpdateRule::sign:
        for (std::int64_t j = 0; j < count; ++j) x[j] -= step.rate * (float(d[j] > 0) - float(d[j] < 0));
        break;
      case UpdateRule::momentum:
#pragma omp simd
        for (std::int64_t j = 0; j < count; ++j) {
          m[at + j] = std::fma(step.beta, m[at + j], d[j]);
          x[j] = std::fma(-step.rate, m[at + j], x[j]);
        }
        break;
      default:
        for_lanes<float>(count, [&](std::int64_t j, std::int64_t k) {
          const Lanes slope = load_lanes(d + j, k);
          const Lanes mean = b1 * load_lanes(m + at + j, k) + c1 * slope;
          const Lanes square = b2 * load_lanes(v + at + j, k) + c2 * (slope * slope);
          store_lanes(mean, m + at + j, k);
          store_lanes(square, v + at + j, k);
          store_lanes(load_lanes(x + j, k) - scale1 * mean / (sqrt(scale2 * square) + eps), x + j, k);
        });
    }
  });
}
#endif

/// The step on all of these leaves.
inline void descend_leaves_(Device device, const zo::UpdateStep& step,
                            const std::vector<zo::LeafUpdate<StoredTensor>>& leaves,
                            const std::vector<zo::Step>& steps) {
  for (const zo::LeafUpdate<StoredTensor>& l : leaves)
    descend_leaf_(device, zo::Descent(step, l.number, l.w->shape().rank() > 1), *l.w, l.number, steps, l.first,
                  l.second);
}

}  // namespace tenzo::cpu
