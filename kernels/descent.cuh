// Steps of zeroth-order optimizers, fused with the drawing of their directions.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "device.hpp"
#include "noise.cuh"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/cuda/descent.hpp"

namespace tenzo::cuda {

namespace detail {

/// A Descent's numbers, for a kernel.
struct DescentStep {
  bool sums_into_weight;  // sgd
  zo::UpdateRule rule;
  float decay, rate, beta, b1, c1, b2, c2, scale1, scale2, eps;

  explicit DescentStep(const Descent& d)
      : sums_into_weight(d.rule == zo::UpdateRule::sgd),
        rule(d.rule),
        decay(d.decay),
        rate(d.rate),
        beta(d.beta),
        b1(d.b1),
        c1(d.c1),
        b2(d.b2),
        c2(d.c2),
        scale1(d.scale1),
        scale2(d.scale2),
        eps(d.eps) {}

  TENZO_DEVICE float decayed(float x) const { return std::fma(-decay, x, x); }
};

/// x rounded to bfloat16 stochastically; what is not finite to nearest.
TENZO_DEVICE inline bfloat16 round_finite_stochastically(float x, std::uint32_t bits16) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7f800000u) == 0x7f800000u) return bfloat16(x);
  bfloat16 r;
  r.bits = std::uint16_t((u + bits16) >> 16);
  return r;
}

/// One step on all elements of a leaf.
///   Mapping  a thread eight neighbours, whose sum over the terms stays in registers; a block 256 of these, which share
///            the keys of 16 terms at a time. Shared memory: those, and the table.
///   Bound by memory for few terms: w once each way, and so each moment; nothing else is stored.
template <class W>
struct DescendKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  NoiseShape shape;
  bool wide, wide_moments;
  DescentStep step;
  DeviceStream rounding;
  W* w;
  float *m, *v;
  TermList<float> terms;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    TENZO_SHARED(StagedTerm<float>, staged, [staged_terms]);
    load_normal_table(table, int(threadIdx.x), max_threads);
    const Octet at(thread_in_grid(), shape);
    const std::int64_t offset = at.offset(shape);
    float d[8] = {};
    if (step.sums_into_weight) load_weights(offset, at.count, d);
    for_terms(terms, staged, int(threadIdx.x), [&](const StagedTerm<float>& t, int) {
      if (at.count == 0) return;
      float z[8];
      draw(t, shape, at.row, at.col, table, z);
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) d[j] = std::fma(t.term.factor[0], z[j], d[j]);
    });
    if (!step.sums_into_weight) {
      if (step.rule != zo::UpdateRule::sign) direct(offset, at.count, d);
      float x[8] = {};
      load_weights(offset, at.count, x);
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) d[j] = moved(x[j], d[j]);
    }
    store_weights(at, offset, d);
  }

 private:
  /// Of momentum and adam: the moments take in d, and d becomes what the weight moves by.
  TENZO_DEVICE void direct(std::int64_t offset, int count, float (&d)[8]) const {
    float mean[8] = {};
    load_run(m + offset, wide_moments, count, mean);
    if (step.rule == zo::UpdateRule::momentum) {
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) d[j] = std::fma(step.beta, mean[j], d[j]);
      store_run(m + offset, wide_moments, count, d, [](float x, int) { return x; });
      return;
    }
    float square[8] = {};
    load_run(v + offset, wide_moments, count, square);
    TENZO_UNROLL
    for (int j = 0; j < 8; ++j) {
      mean[j] = step.b1 * mean[j] + step.c1 * d[j];
      square[j] = step.b2 * square[j] + step.c2 * (d[j] * d[j]);
      d[j] = step.scale1 * mean[j] / (std::sqrt(step.scale2 * square[j]) + step.eps);
    }
    store_run(m + offset, wide_moments, count, mean, [](float x, int) { return x; });
    store_run(v + offset, wide_moments, count, square, [](float x, int) { return x; });
  }
  TENZO_DEVICE float moved(float x, float d) const {
    switch (step.rule) {
      case zo::UpdateRule::sign: return x - step.rate * (float(d > 0) - float(d < 0));
      case zo::UpdateRule::momentum: return std::fma(-step.rate, d, x);
      default: return x - d;
    }
  }

  TENZO_DEVICE void load_weights(std::int64_t offset, int count, float (&x)[8]) const {
    load_run(static_cast<const W*>(w) + offset, wide, count, x);
    TENZO_UNROLL
    for (int j = 0; j < 8; ++j) x[j] = step.decayed(x[j]);
  }
  TENZO_DEVICE void store_weights(const Octet& at, std::int64_t offset, const float (&x)[8]) const {
    if constexpr (std::same_as<W, bfloat16>) {
      const PhiloxBlock bits = rounding.block(at.row * shape.blocks(8) + std::uint32_t(at.col / 8));
      store_run(w + offset, wide, at.count, x,
                [&](float v_, int j) { return round_finite_stochastically(v_, rounding_bits(bits, j)); });
    } else {
      store_run(w + offset, wide, at.count, x, [](float v_, int) { return W(v_); });
    }
  }
};

}  // namespace detail

template <std::same_as<Device> D>
void descend_(D device, const Descent& step, DType type, void* w, std::int64_t rows, std::int64_t cols,
              const Terms& terms, float* m, float* v) {
  const detail::NoiseShape shape{rows, cols};
  const detail::LaunchTerms<float> held(device, terms, shape);
  const std::int64_t octets = detail::Octet::runs(shape);
  const auto run = [&]<class W>(W) {
    if (octets == 0) return;
    auto* const p = static_cast<W*>(w);
    using K = detail::DescendKernel<W>;
    launch(K{shape, detail::whole_runs<8, W>(cols, static_cast<const W*>(p)),
             detail::whole_runs<8, float>(cols, static_cast<const float*>(m), static_cast<const float*>(v)),
             detail::DescentStep(step), detail::DeviceStream(step.rounding), p, m, v, held.list()},
           blocks_for(octets, K::max_threads), K::max_threads);
  };
  switch (type) {
    case DType::f32: return run(float());
    case DType::f16: return run(half());
    case DType::bf16: return run(bfloat16());
    default: require(false, "zo: weights of type ", type, " are frozen; train f32, f16 or bf16");
  }
}

}  // namespace tenzo::cuda
