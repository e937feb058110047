// Decoupled direction and norm: l2 attacks that look for the smallest perturbation that misleads.
//   Source  Rony et al. 2019, "Decoupling direction and norm for efficient gradient-based L2 adversarial attacks".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/attack/pgd.hpp"

namespace tenzo::attack {

struct DdnOptions {
  std::int64_t steps = 10;
  double first_norm = 1;   // ‖δ‖ of the first iterate
  double gamma = 0.05;     // the norm shrinks by 1 − γ where δ misleads, grows by 1 + γ where not
  double step = 1;         // length of a gradient step, falling to a hundredth along a cosine
  std::uint64_t seed = 1;  // of directions where the gradient is zero
};

/// Perturbations δ of x (n, …) within the threat's l2 balls and range: of each sample the shortest that misleads, the
/// last one where none does.
///   gradient(delta, PgdQuery) → LossesAndGradient
///   misleads(delta) → for each sample whether x + δ is taken for something else; anything indexed by [sample]
///   Throws  ValueError for a threat in another norm than l2 and for options that can not be.
template <Real T, class Gradient, class Misleads>
Tensor<T> ddn(const Tensor<T>& x, const Threat& threat, const DdnOptions& o, Gradient&& gradient, Misleads&& misleads) {
  expect(x.rank() > 0, "ddn: samples along the first axis of ", x.shape());
  const std::int64_t n = x.shape()[0], width = x.shape().inner(0);
  threat.check(n);
  require(threat.norm == Norm::l2 && o.steps >= 0 && o.first_norm > 0 && o.step > 0 && o.gamma > 0 && o.gamma < 1,
          "ddn: ", o.steps, " steps of ", o.step, ", first norm ", o.first_norm, ", gamma ", o.gamma, ", in l2");
  std::vector<double> size;
  for (std::int64_t i = 0; i < n; ++i) size.push_back(std::min(o.first_norm, threat.radius(i)));
  Tensor<T> delta = Tensor<T>::zeros(x.shape()), best = delta.clone();
  std::vector<double> shortest(std::size_t(n), std::numeric_limits<double>::infinity());
  const auto note = [&](const auto& misled) {
    const std::vector<double> lengths = sample_norms(Norm::l2, delta);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = std::size_t(i);
      if (!misled[k] && shortest[k] < std::numeric_limits<double>::infinity()) continue;
      if (misled[k] && lengths[k] >= shortest[k]) continue;
      if (misled[k]) shortest[k] = lengths[k];
      std::copy_n(std::as_const(delta).data() + i * width, width, best.data() + i * width);
    }
  };
  for (std::int64_t t = 0; t < o.steps; ++t) {
    const auto misled = misleads(std::as_const(delta));
    note(misled);
    const double share = double(t) / double(o.steps);
    const double length = o.step * (0.01 + 0.99 * 0.5 * (1 + std::cos(3.14159265358979323846 * share)));
    const LossesAndGradient<T> at = gradient(std::as_const(delta), PgdQuery{0, t, 0});
    delta = delta.clone();
    ascend_(delta, Norm::l2, at.gradient, std::vector<double>(std::size_t(n), length), attack_key(o.seed, 0, t, 2));
    const std::vector<double> lengths = sample_norms(Norm::l2, delta);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = std::size_t(i);
      if (t > 0) size[k] = std::min(size[k] * (misled[k] ? 1 - o.gamma : 1 + o.gamma), threat.radius(i));
      const double factor = lengths[k] > 0 ? size[k] / lengths[k] : 0;
      for (std::int64_t j = 0; j < width; ++j) delta(i * width + j) *= T(factor);
    }
    project_(delta, x, threat);
  }
  note(misleads(std::as_const(delta)));
  return best;
}

}  // namespace tenzo::attack
