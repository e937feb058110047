// STORM's momentum on the directions of y and x: MRBO and SUSTAIN.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/bilevel/stochastic/series.hpp"

namespace tenzo::bilevel {

/// d ← D(now; ξ) + (1 − η_t)(d − D(before; ξ)), one sample ξ at both points, for D_y = ∇_y g and D_x = M v + ∇_x f with
/// v by a series; y −= ρ_t d_y, x −= κ_t d_x.  η_t = min(1, averaging / (t + 1)^averaging_decay).
///   Cost    a step takes two samples of the hypergradient.
///   Rate    Õ(ε^{-3/2}) samples for ‖∇F‖² ≤ ε, with steps as t^{-1/3} and η as t^{-2/3}.
///   Source  Yang, Ji, Liang 2021 (MRBO); Khanduri et al. 2021 (SUSTAIN).
struct Storm {
  StepSizes steps{.lower_decay = 1. / 3, .upper_decay = 1. / 3};
  double averaging = 1, averaging_decay = 2. / 3;
  SampledSeries series{};
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  using State = CorrectedState<X, Y>;  // v is the last series, of no use for the next one

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    require(averaging > 0, "storm: averaging is ", averaging, "; want a positive number");
    return {begin_at(sum, x, y, v), {}, {}, 0, {}};
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    const StepSizes size = steps.at(s.step);
    const BatchDraw draw(sum, seed, s.step);
    const double eta = std::min(1.0, averaging * std::pow(double(s.step + 1), -averaging_decay));
    // where the step of y will land up to what this sample changes; one face for both points
    const Face<Y> face = detail::face_of_step(
        sum, s.now.y, s.step > 0 ? s.direction.y : oracle.gradient(s.now.x, s.now.y, draw.gradient()), size.lower);
    Variables<X, Y> d = detail::series_directions(oracle, s.now.x, s.now.y, series, face, draw, seed, s.step);
    if (s.step > 0) {
      const auto old = detail::series_directions(oracle, s.before.x, s.before.y, series, face, draw, seed, s.step);
      axpy_(1 - eta, s.direction.y, d.y);
      axpy_(eta - 1, old.y, d.y);
      axpy_(1 - eta, s.direction.x, d.x);
      axpy_(eta - 1, old.x, d.x);
    }
    s.direction = std::move(d);
    s.before = clone(s.now);
    advance_lower_(sum, s.now.y, s.direction.y, size.lower);
    advance_upper_(sum, s.now.x, s.direction.x, size.upper);
    s.now.v = clone(s.direction.v);
    s.counts = oracle.counts;
    ++s.step;
  }
};

/// MRBO: a series of all its terms.
inline Storm mrbo() { return {}; }

/// SUSTAIN: a series of random length.
inline Storm sustain() {
  Storm s;
  s.series.random = true;
  return s;
}

}  // namespace tenzo::bilevel
