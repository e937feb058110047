// Optimizers on zeroth-order estimates. Each applies an estimate by regenerating its directions; what a run has to
// remember beside the weights is a state that can be saved, and that a replay of the log rebuilds.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/tree/stored.hpp"
#include "tenzo/zo/estimate.hpp"
#include "tenzo/zo/probe.hpp"

namespace tenzo::zo {

/// What an optimizer does with an estimate ĝ.
///   sgd       θ ← θ − η ĝ                                          no memory
///   sign      θ ← θ − η sign(ĝ), element by element                no memory
///   momentum  m ← β m + ĝ;  θ ← θ − η m                            one buffer
///   adam      Adam with bias correction on ĝ                       two buffers
/// Source  Zhang et al. 2024 (ZO-LLM), appendix A.
enum class UpdateRule { sgd, sign, momentum, adam };

struct UpdateOptions {
  UpdateRule rule = UpdateRule::sgd;
  double lr = 1e-6;         // η
  double weight_decay = 0;  // decoupled; not on leaves of one axis (biases, norms)
  double momentum = 0.9;    // β
  double beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
};

/// Buffers by leaf number, of float; a leaf that is not trained has none.
struct UpdateState {
  std::uint32_t step = 0;
  std::vector<Tensor<float>> first, second;
};

namespace detail {

/// The estimate as steps of a factor: −η weight value u.
inline std::vector<Step> descent(const Estimate& g, double lr) {
  std::vector<Step> steps;
  for (const Slope& s : g.slopes) steps.push_back({s.direction, double(float(-lr * g.weight * s.value))});
  return steps;
}

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

}  // namespace detail

/// Applies an estimate to the trained leaves of a model, in place.
///   Deterministic: the same bits for any number of threads, in the run and in its replay.
template <Tree Model>
requires std::same_as<leaf_t<Model>, StoredTensor>
void apply_estimate_(Model& model, const std::vector<std::uint8_t>& trained, const Estimate& g, const UpdateOptions& o,
                     UpdateState& state, double lr_factor = 1) {
  const double lr = o.lr * lr_factor;
  const std::uint32_t t = ++state.step;
  const std::vector<Step> descent = detail::descent(g, lr);
  std::vector<Step> gradient;  // for the rules that need ĝ itself
  for (const Slope& s : g.slopes) gradient.push_back({s.direction, g.weight * s.value});
  const NoiseKey key =
      g.slopes.empty() ? NoiseKey{} : NoiseKey{g.slopes[0].direction.seed, g.slopes[0].direction.step, 0, 0};
  using Lanes = Simd<float>;
  const Lanes b1{float(o.beta1)}, b2{float(o.beta2)}, c1{1 - float(o.beta1)}, c2{1 - float(o.beta2)},
      eps{float(o.adam_eps)};
  const Lanes scale1{float(lr / (1 - std::pow(o.beta1, double(t))))},
      scale2{float(1 / (1 - std::pow(o.beta2, double(t))))};
  const float rate = float(lr), beta = float(o.momentum);

  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, StoredTensor& w) {
        const std::uint32_t n = leaf++;
        if (!trained.empty() && !trained[n]) return;
        const std::int64_t rows = w.rows(), cols = w.cols();
        const float decay = w.shape().rank() > 1 ? float(lr * o.weight_decay) : 0.f;
        NoiseKey rounding = key;
        rounding.tensor = n;
        rounding = rounding.of(Purpose::rounding);
        if (o.rule == UpdateRule::sgd && w.dtype() == DType::f32 && decay == 0.f) {
          add_steps_(reinterpret_cast<float*>(w.writable_row(0)), rows, cols, n, descent);
          return;
        }
        if (o.rule == UpdateRule::sgd && w.dtype() == DType::bf16 && decay == 0.f && descent.size() == 1 &&
            detail::is_plain(descent[0].direction, n, rows)) {
          if (descent[0].direction.covers(n))
            add_scaled_(reinterpret_cast<bfloat16*>(w.writable_row(0)), rows, cols,
                        detail::noise_law(descent[0].direction), detail::noise_key(descent[0].direction, n),
                        descent[0].factor);
          return;
        }
        const auto buffer = [&](std::vector<Tensor<float>>& all) {
          if (all.size() <= n) all.resize(n + 1);
          if (!all[n].defined()) all[n] = Tensor<float>::zeros(Shape{rows, cols});
          return all[n].data();
        };
        float* m = o.rule == UpdateRule::momentum || o.rule == UpdateRule::adam ? buffer(state.first) : nullptr;
        float* v = o.rule == UpdateRule::adam ? buffer(state.second) : nullptr;
        detail::update_runs_(w, rounding, [&](float* x, std::int64_t row, std::int64_t col, std::int64_t count) {
          for (std::int64_t j = 0; j < count; ++j) x[j] = std::fma(-decay, x[j], x[j]);
          if (o.rule == UpdateRule::sgd) {
            detail::add_steps_to_row_(x, descent, n, rows, cols, row, col, count);
            return;
          }
          float d[4096];
          std::fill_n(d, count, 0.f);
          detail::add_steps_to_row_(d, gradient, n, rows, cols, row, col, count);
          const std::int64_t at = row * cols + col;
          switch (o.rule) {
            case UpdateRule::sign:
              for (std::int64_t j = 0; j < count; ++j) x[j] -= rate * (float(d[j] > 0) - float(d[j] < 0));
              break;
            case UpdateRule::momentum:
#pragma omp simd
              for (std::int64_t j = 0; j < count; ++j) {
                m[at + j] = std::fma(beta, m[at + j], d[j]);
                x[j] = std::fma(-rate, m[at + j], x[j]);
              }
              break;
            default:
              cpu::for_lanes<float>(count, [&](std::int64_t j, std::int64_t k) {
                const Lanes slope = cpu::load_lanes(d + j, k);
                const Lanes mean = b1 * cpu::load_lanes(m + at + j, k) + c1 * slope;
                const Lanes square = b2 * cpu::load_lanes(v + at + j, k) + c2 * (slope * slope);
                cpu::store_lanes(mean, m + at + j, k);
                cpu::store_lanes(square, v + at + j, k);
                cpu::store_lanes(cpu::load_lanes(x + j, k) - scale1 * mean / (sqrt(scale2 * square) + eps), x + j, k);
              });
          }
        });
      },
      model);
}

/// The step of the conservative method (ZO-SGD-Cons): of θ, θ − η ĝ and θ + η ĝ the one with the least loss on the
/// batch.
///   Returns the factor −1, 0 or 1 of ĝ in θ − factor η ĝ. Costs three forwards.
///   Source  Zhang et al. 2024 (ZO-LLM), appendix A; Bergou et al. 2020, the stochastic three points method.
template <class E>
int conservative_choice(E&& evaluate, const Estimate& g, double lr, double& loss) {
  Perturbation stay, move;
  stay.sides = 1;
  move.sides = 2;
  for (const Step& s : detail::descent(g, lr)) move.terms.push_back({s.direction, {s.factor, -s.factor}});
  const double here = evaluate(stay)[0];
  const std::array<double, 2> there = evaluate(move);
  loss = here;
  if (there[0] < here && there[0] <= there[1]) return 1;
  if (there[1] < here) return -1;
  return 0;
}

}  // namespace tenzo::zo
