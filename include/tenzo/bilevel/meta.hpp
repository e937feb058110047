// Meta-learning: where training on a task is to begin.
#pragma once

#include <utility>

#include "tenzo/bilevel/inner.hpp"

namespace tenzo::bilevel {

/// MAML: the lower run begins at y₀ = x, so that the start's own derivative belongs to the gradient.
///   Source  Finn et al. 2017.
template <class P, Tree X, StepMap Step>
Hypergradient<X, X> maml_gradient(Oracle<P>& oracle, const X& x, const Step& step, std::int64_t steps) {
  Hypergradient<X, X> h = unrolled_gradient(oracle, x, x, step, {.steps = steps});
  axpy_(1, h.adjoint, h.gradient);
  return h;
}

/// First-order MAML: the Jacobian of the run is taken to be the identity, so that the gradient is ∇_x f + ∇_y f at y_T.
template <class P, Tree X, StepMap Step>
Hypergradient<X, X> fomaml_gradient(Oracle<P>& oracle, const X& x, const Step& step, std::int64_t steps) {
  const OracleCounts before = oracle.counts;
  Hypergradient<X, X> h;
  h.solution = run_steps(oracle, x, x, step, steps);
  UpperGradients<X, X> f = oracle.upper_gradients(x, h.solution);
  h.value = f.value;
  h.direct = clone(f.x);
  h.gradient = std::move(f.x);
  axpy_(1, f.y, h.gradient);
  h.adjoint = std::move(f.y);
  h.report.counts = oracle.counts - before;
  return h;
}

/// Reptile: x ← x + rate (y_T − x).
///   Source  Nichol et al. 2018.
template <class P, Tree X, StepMap Step>
void reptile_step(Oracle<P>& oracle, X& x, const Step& step, std::int64_t steps, double rate) {
  const X y = run_steps(oracle, x, x, step, steps);
  X next = clone(x);
  scale_(next, 1 - rate);
  axpy_(rate, y, next);
  x = std::move(next);
}

/// The lower loss of iMAML, task(y) + λ/2 ‖y − x‖², whose hypergradient implicit_gradient gives: (I + H/λ)⁻¹ ∇_y f.
///   Source  Rajeswaran et al. 2019.
template <class Loss>
struct ProximalTask {
  Loss task;
  double lambda = 1;

  template <Tree X, Tree Y>
  auto operator()(const X& x, const Y& y) const {
    const auto apart = detail::plus_scaled(y, -1, x);
    return add(task(y), scale(dot(apart, apart), lambda / 2));
  }
};
template <class Loss>
ProximalTask(Loss, double) -> ProximalTask<Loss>;

}  // namespace tenzo::bilevel
