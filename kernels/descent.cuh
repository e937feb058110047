// Steps of zeroth-order optimizers, fused with the drawing of their directions.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "device.hpp"
#include "memory.cuh"
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

  explicit DescentStep(const zo::Descent& d)
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

  TENZO_DEVICE float decayed(float x) const { return decay == 0 ? x : std::fma(-decay, x, x); }
};

/// x rounded to bfloat16 stochastically; what is not finite to nearest.
TENZO_DEVICE inline bfloat16 round_finite_stochastically(float x, std::uint32_t bits16) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7f800000u) == 0x7f800000u) return bfloat16(x);
  bfloat16 r;
  r.bits = std::uint16_t((u + bits16) >> 16);
  return r;
}

/// A leaf as the kernel takes it.
template <class W>
struct LeafToStep {
  NoiseShape shape;
  W* w;
  float *m, *v;
  const std::uint8_t* mask;
  std::int64_t first_block;  // among those of all leaves
  std::uint32_t number;
  bool decays, wide, wide_moments;

  LeafToStep() = default;
  LeafToStep(const DescentLeaf& leaf, std::int64_t first)
      : shape{leaf.rows, leaf.cols},
        w(static_cast<W*>(leaf.w)),
        m(leaf.m),
        v(leaf.v),
        mask(leaf.mask),
        first_block(first),
        number(leaf.number),
        decays(leaf.decays),
        wide(whole_runs<8, W>(leaf.cols, static_cast<const W*>(w))),
        wide_moments(whole_runs<8, float>(leaf.cols, static_cast<const float*>(m), static_cast<const float*>(v))) {}
};

/// The one leaf of a launch, or the leaf among many to which a block belongs.
template <class W>
struct OneLeaf {
  LeafToStep<W> leaf;

  TENZO_DEVICE const LeafToStep<W>& find(std::int64_t) const { return leaf; }
};
template <class W>
struct ManyLeaves {
  const LeafToStep<W>* all;
  std::int32_t count;

  TENZO_DEVICE LeafToStep<W> find(std::int64_t block) const {
    std::int32_t low = 0, high = count;  // the last whose first block is not beyond this one
    while (high - low > 1) {
      const std::int32_t middle = (low + high) / 2;
      (load(&all[middle].first_block) <= block ? low : high) = middle;
    }
    return load(all + low);
  }
};

/// A launch's terms, for one leaf.
struct TermsOfLeaf {
  const TermList<float>& list;
  std::uint32_t number;
  const std::uint8_t* mask;
  std::int32_t count;

  TENZO_DEVICE DeviceTerm<float> operator[](int i) const {
    DeviceTerm<float> t = list[i];
    t.tensor |= number;
    if (mask) t.mask = mask;
    return t;
  }
};

/// One step on all elements of a leaf, or of all leaves.
///   Mapping  a thread eight neighbours, whose sum over the terms stays in registers; a block 256 of these, all of one
///            leaf, which share the keys of 16 terms at a time. Shared memory: those, the table, and the leaf, which
///            one thread finds.
///   Bound by memory for few terms: w once each way, and so each moment; nothing else is stored.
template <class W, class Leaves>
struct DescendKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  Leaves leaves;
  DescentStep step;
  std::uint64_t seed;  // of the noise of rounding
  std::uint32_t number;
  bool rounding_of_terms;  // recorded terms change from launch to launch, and that noise with them
  TermList<float> terms;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    TENZO_SHARED(StagedTerm<float>, staged, [staged_terms]);
    load_normal_table(table, thread_in_block(), max_threads);
    TENZO_SHARED(LeafToStep<W>, leaf);  // one alone, too: what follows from it would take registers through all terms
    if (thread_in_block() == 0) leaf = leaves.find(std::int64_t(blockIdx.x));
    __syncthreads();
    run(leaf, table, staged);
  }

 private:
  using Leaf = LeafToStep<W>;

  TENZO_DEVICE void run(const Leaf& leaf, const NormalTable& table, StagedTerm<float> (&staged)[staged_terms]) const {
    const Octet at(thread_in_grid() - leaf.first_block * max_threads, leaf.shape);
    const std::int64_t offset = at.offset(leaf.shape);
    float d[8] = {};
    if (step.sums_into_weight) load_weights(leaf, offset, at.count, d);
    for_terms(TermsOfLeaf{terms, leaf.number, leaf.mask, terms.count}, staged, thread_in_block(),
              [&](const StagedTerm<float>& t, int) {
                if (at.count == 0) return;
                float z[8];
                draw(t, leaf.shape, at.row, at.col, table, z);
                TENZO_UNROLL
                for (int j = 0; j < 8; ++j) d[j] = std::fma(t.term.factor[0], z[j], d[j]);
              });
    if (!step.sums_into_weight) {
      if (step.rule != zo::UpdateRule::sign) direct(leaf, offset, at.count, d);
      float x[8] = {};
      load_weights(leaf, offset, at.count, x);
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) d[j] = moved(x[j], d[j]);
    }
    store_weights(leaf, at, offset, d);
  }
  /// Of momentum and adam: the moments take in d, and d becomes what the weight moves by.
  TENZO_DEVICE void direct(const Leaf& leaf, std::int64_t offset, int count, float (&d)[8]) const {
    float mean[8] = {};
    load_run(static_cast<const float*>(leaf.m) + offset, leaf.wide_moments, count, mean);
    if (step.rule == zo::UpdateRule::momentum) {
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) d[j] = std::fma(step.beta, mean[j], d[j]);
      store_run(leaf.m + offset, leaf.wide_moments, count, d, [](float x, int) { return x; });
      return;
    }
    float square[8] = {};
    load_run(static_cast<const float*>(leaf.v) + offset, leaf.wide_moments, count, square);
    TENZO_UNROLL
    for (int j = 0; j < 8; ++j) {
      mean[j] = step.b1 * mean[j] + step.c1 * d[j];
      square[j] = step.b2 * square[j] + step.c2 * (d[j] * d[j]);
      d[j] = step.scale1 * mean[j] / (std::sqrt(step.scale2 * square[j]) + step.eps);
    }
    store_run(leaf.m + offset, leaf.wide_moments, count, mean, [](float x, int) { return x; });
    store_run(leaf.v + offset, leaf.wide_moments, count, square, [](float x, int) { return x; });
  }
  TENZO_DEVICE float moved(float x, float d) const {
    switch (step.rule) {
      case zo::UpdateRule::sign: return x - step.rate * (float(d > 0) - float(d < 0));
      case zo::UpdateRule::momentum: return std::fma(-step.rate, d, x);
      default: return x - d;
    }
  }

  TENZO_DEVICE void load_weights(const Leaf& leaf, std::int64_t offset, int count, float (&x)[8]) const {
    load_run(static_cast<const W*>(leaf.w) + offset, leaf.wide, count, x);
    if (!leaf.decays) return;
    TENZO_UNROLL
    for (int j = 0; j < 8; ++j) x[j] = step.decayed(x[j]);
  }
  TENZO_DEVICE void store_weights(const Leaf& leaf, const Octet& at, std::int64_t offset, const float (&x)[8]) const {
    if constexpr (std::same_as<W, bfloat16>) {
      NoiseKey key{seed, number, 0, leaf.number};
      if (rounding_of_terms) {
        const DeviceTerm<float> t = terms[0];
        key.seed = t.seed, key.step = t.step;
      }
      const DeviceStream noise(key.of(Purpose::rounding));
      const PhiloxBlock bits = noise.block(at.row * leaf.shape.blocks(8) + std::uint32_t(at.col / 8));
      store_run(leaf.w + offset, leaf.wide, at.count, x,
                [&](float v, int j) { return round_finite_stochastically(v, rounding_bits(bits, j)); });
    } else {
      store_run(leaf.w + offset, leaf.wide, at.count, x, [](float v, int) { return W(v); });
    }
  }
};

/// f(a number of the type), for types that can be trained.
template <class F>
void with_trained_type(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f(float());
    case DType::f16: return f(half());
    case DType::bf16: return f(bfloat16());
    default: require(false, "zo: weights of type ", type, " are frozen; train f32, f16 or bf16");
  }
}

template <class W, class Leaves>
void launch_descent(const Leaves& leaves, std::int64_t blocks, const zo::Descent& step, const Terms& terms,
                    const TermList<float>& list) {
  using K = DescendKernel<W, Leaves>;
  launch(K{leaves, DescentStep(step), step.rounding.seed, step.rounding.step, terms.buffer != nullptr, list}, blocks,
         K::max_threads);
}

}  // namespace detail

template <std::same_as<Device> D>
void descend_(D device, const zo::Descent& step, DType type, const DescentLeaf& leaf, const Terms& terms) {
  const detail::NoiseShape shape{leaf.rows, leaf.cols};
  const detail::LaunchTerms<float> held(device, terms, shape);
  const std::int64_t octets = detail::Octet::runs(shape);
  detail::with_trained_type(type, [&]<class W>(W) {
    if (octets == 0) return;
    detail::launch_descent<W>(detail::OneLeaf<W>{{leaf, 0}}, blocks_for(octets, 256), step, terms, held.list());
  });
}

template <std::same_as<Device> D>
LeafTable leaf_table(D device, DType type, std::span<const DescentLeaf> leaves) {
  LeafTable t{type, 0, 0, nullptr};
  detail::with_trained_type(type, [&]<class W>(W) {
    std::vector<detail::LeafToStep<W>> all;
    for (const DescentLeaf& leaf : leaves) {
      const detail::NoiseShape shape{leaf.rows, leaf.cols};
      detail::require_noise(Law::normal, leaf.rows, leaf.cols);
      if (detail::Octet::runs(shape) == 0) continue;
      all.emplace_back(leaf, t.blocks);
      t.blocks += blocks_for(detail::Octet::runs(shape), 256);
    }
    t.count = std::int64_t(all.size());
    if (all.empty()) return;
    t.memory = allocate(device, all.size() * sizeof all[0]);
    copy(t.memory.get(), all.data(), all.size() * sizeof all[0], Direction::to_device);
  });
  return t;
}

template <std::same_as<Device> D>
void descend_(D device, const zo::Descent& step, const LeafTable& leaves, const Terms& terms) {
  if (leaves.blocks == 0) return;
  const detail::LaunchTerms<float> held(device, terms, {1, 1});
  detail::with_trained_type(leaves.type, [&]<class W>(W) {
    const detail::ManyLeaves<W> all{static_cast<const detail::LeafToStep<W>*>(leaves.memory.get()),
                                    std::int32_t(leaves.count)};
    detail::launch_descent<W>(all, leaves.blocks, step, terms, held.list());
  });
}

}  // namespace tenzo::cuda
