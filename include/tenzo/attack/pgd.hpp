// Projected gradient ascent on any loss of a batch of perturbations: expectation over transformations, restarts, and
// the best iterate as judged by a scorer of its own.
//   Source  Madry et al. 2018, equation 4; Athalye et al. 2018 (expectation over transformations).
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tenzo/attack/threat.hpp"

namespace tenzo::attack {

struct PgdOptions {
  std::int64_t steps = 20;
  double step = 0;     // length of a step in radii; 0: 2 / steps
  double start = 0.5;  // where a run begins, in radii: at random at that distance (l2), within it (linf); 0: at 0
  std::int64_t restarts = 1;     // runs from different starts
  std::int64_t draws = 1;        // gradients averaged for a step, of independent noise
  std::int64_t score_every = 1;  // iterates between two that are scored; the last always is
  std::uint64_t seed = 1;        // of the starts

  double step_in_radii() const { return step > 0 ? step : 2.0 / double(std::max<std::int64_t>(1, steps)); }

  /// Throws ValueError for counts below what makes sense, and for restarts that would all begin at zero.
  void check() const {
    require(steps >= 0 && draws > 0 && restarts > 0 && score_every > 0, "pgd: ", steps, " steps, ", draws, " draws, ",
            restarts, " restarts, scored every ", score_every);
    require(step >= 0 && start >= 0 && std::isfinite(step) && std::isfinite(start), "pgd: steps of ", step,
            " radii from ", start, " radii away");
    require(restarts == 1 || start > 0, "pgd: ", restarts, " restarts from zero are one; want start > 0");
  }
};

/// Which gradient is asked for: noise that depends on these is fresh for every one.
struct PgdQuery {
  std::int64_t restart = 0, step = 0, draw = 0;
};

/// The losses (n) of a batch, and the gradient of their sum, shaped like the batch.
template <Real T>
struct LossesAndGradient {
  Tensor<T> losses, gradient;
};

template <Real T>
struct PgdResult {
  Tensor<T> delta;                         // (n, …): of each sample the best scored iterate, the start among them
  std::vector<double> score;               // (n): of these
  std::int64_t gradients = 0, scores = 0;  // how many were asked for
};

/// Perturbations of x (n, …), samples along the first axis, that make the scores large.
///   gradient(delta, PgdQuery) → LossesAndGradient   at x + δ, of the losses that are climbed
///   score(delta) → Tensor<T> (n)                    what iterates are compared by; to be comparable it takes the same
///                                                   noise each time, and other noise than the gradients
///   mask   broadcasts to x: zero where nothing may be added; undefined: everywhere
///   A sample's NaN score counts as the smallest.
///   Bits    a function of the arguments; each sample's δ depends on the others through the callables alone.
///   Throws  ValueError for options or a threat that can not be, and where x leaves the threat's range.
template <Real T, class Gradient, class Score>
PgdResult<T> pgd(const Tensor<T>& x, const Threat& threat, const PgdOptions& o, Gradient&& gradient, Score&& score,
                 const Tensor<T>& mask = {}) {
  expect(x.rank() > 0, "pgd: samples along the first axis of ", x.shape());
  const std::int64_t n = x.shape()[0], width = x.shape().inner(0);
  o.check();
  threat.check(n);
  for (const T v : x.values())
    require(double(v) >= threat.low && double(v) <= threat.high, "pgd: an input of ", v, " is not in [", threat.low,
            ", ", threat.high, ']');
  const auto in_radii = [&](double share) {
    std::vector<double> out;
    for (std::int64_t i = 0; i < n; ++i) out.push_back(share * threat.radius(i));
    return out;
  };
  const auto masked = [&](const Tensor<T>& d) { return mask.defined() ? mul(d, mask) : d; };
  const std::vector<double> lengths = in_radii(o.step_in_radii());

  constexpr double least = -std::numeric_limits<double>::infinity();
  PgdResult<T> best{Tensor<T>::zeros(x.shape()), std::vector<double>(std::size_t(n), least)};
  const auto keep_better = [&](const Tensor<T>& delta) {
    const Tensor<T> now = score(delta);
    expect(now.size() == n, "pgd: the scorer gave ", now.shape(), " for ", n, " samples");
    ++best.scores;
    for (std::int64_t i = 0; i < n; ++i) {
      if (!(double(now(i)) > best.score[std::size_t(i)])) continue;
      best.score[std::size_t(i)] = double(now(i));
      std::copy_n(delta.data() + i * width, width, best.delta.data() + i * width);
    }
  };

  for (std::int64_t r = 0; r < o.restarts; ++r) {
    Tensor<T> delta = Tensor<T>::zeros(x.shape());
    if (o.start > 0)
      delta = masked(random_directions<T>(threat.norm, x.shape(), in_radii(o.start), attack_key(o.seed, r, 0, 0)));
    if (!delta.unique()) delta = delta.clone();
    project_(delta, x, threat);
    keep_better(delta);
    for (std::int64_t t = 0; t < o.steps; ++t) {
      Tensor<T> mean;
      for (std::int64_t e = 0; e < o.draws; ++e) {
        const LossesAndGradient<T> at = gradient(std::as_const(delta), PgdQuery{r, t, e});
        ++best.gradients;
        mean = plus(mean, at.gradient);
      }
      delta = delta.clone();  // a callable may have kept the last one
      ascend_(delta, threat.norm, masked(mean), lengths, attack_key(o.seed, r, t, 1));
      if (mask.defined()) delta = masked(delta);
      project_(delta, x, threat);
      if ((t + 1) % o.score_every == 0 || t + 1 == o.steps) keep_better(delta);
    }
  }
  return best;
}

}  // namespace tenzo::attack
