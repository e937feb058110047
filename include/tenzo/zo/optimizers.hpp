// Optimizers on zeroth-order estimates. Each applies an estimate by regenerating its directions; what a run has to
// remember beside the weights is a state that can be saved, and that a replay of the log rebuilds.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tenzo/tree/stored.hpp"
#include "tenzo/zo/cpu/descent.hpp"
#include "tenzo/zo/descent.hpp"
#include "tenzo/zo/estimate.hpp"
#include "tenzo/zo/probe.hpp"

namespace tenzo::zo {

/// Buffers by leaf number, of float; a leaf that is not trained has none.
template <class D>
struct UpdateStateOn {
  std::uint32_t step = 0;
  std::vector<Tensor<float, D>> first, second;
};
using UpdateState = UpdateStateOn<Cpu>;

namespace detail {

/// The estimate as steps of a factor: −η weight value u.
inline std::vector<Step> descent(const Estimate& g, double lr) {
  std::vector<Step> steps;
  for (const Slope& s : g.slopes) steps.push_back({s.direction, double(float(-lr * g.weight * s.value))});
  return steps;
}

/// The estimate itself: weight value u.
inline std::vector<Step> gradient(const Estimate& g) {
  std::vector<Step> steps;
  for (const Slope& s : g.slopes) steps.push_back({s.direction, g.weight * s.value});
  return steps;
}

}  // namespace detail

/// Applies an estimate to the trained leaves of a model, in place, on the device where they are.
///   Deterministic: the same bits for any number of threads and on any device, in the run and in its replay.
template <Tree Model, class D>
requires std::same_as<leaf_t<Model>, stored_t<D>>
void apply_estimate_(Model& model, const std::vector<std::uint8_t>& trained, const Estimate& g, const UpdateOptions& o,
                     UpdateStateOn<D>& state, double lr_factor = 1) {
  const double lr = o.lr * lr_factor;
  const std::uint32_t t = ++state.step;
  const std::vector<Step> steps = o.rule == UpdateRule::sgd ? detail::descent(g, lr) : detail::gradient(g);
  const NoiseKey key =
      g.slopes.empty() ? NoiseKey{} : NoiseKey{g.slopes[0].direction.seed, g.slopes[0].direction.step, 0, 0};
  std::vector<LeafUpdate<stored_t<D>>> leaves;
  std::uint32_t leaf = 0;
  for_each_leaf(
      [&](const Path&, stored_t<D>& w) {
        const std::uint32_t n = leaf++;
        if (!trained.empty() && !trained[n]) return;
        const auto buffer = [&](std::vector<Tensor<float, D>>& all) {
          if (all.size() <= n) all.resize(n + 1);
          if (!all[n].defined()) all[n] = Tensor<float, D>::zeros(Shape{w.rows(), w.cols()});
          return all[n].data();
        };
        leaves.push_back({&w, n, Descent::has_first(o.rule) ? buffer(state.first) : nullptr,
                          Descent::has_second(o.rule) ? buffer(state.second) : nullptr});
      },
      model);
  descend_leaves_(D{}, UpdateStep{o, lr, t, key}, leaves, steps);
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
