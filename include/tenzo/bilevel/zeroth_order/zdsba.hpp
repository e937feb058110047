// ZDSBA: the double loop from values alone, with a sampled series for the inverse of the Hessian.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/bilevel/zeroth_order/penalty.hpp"
#include "tenzo/bilevel/zeroth_order/stein.hpp"
#include "tenzo/solve/stationary.hpp"

namespace tenzo::bilevel {

/// BSA with every derivative estimated from values. A step: N steps y ← Π(y − ρ ĝ_y), each of directions and a batch of
/// its own; v = −α Σ_{k < terms} Π_{i ≤ k} (I − α Ĥ_i) ∇̂_y f along the face of y, each Ĥ_i of `second` anew;
/// x ← Π(x − κ (∇̂_x f + M̂ v)).
///   inner, inner_growth   N = ⌈inner (t + 1)^inner_growth⌉ in step t
///   terms, alpha, random  the series, as in `SampledSeries`; `random` as in the paper
///   Mean    of the hypergradient at the lower minimum: that of the series, since its factors are independent.
///   Cost    in values of g: N gradients, 2 Q + 1 a factor of the series, and as many for M̂ v; two gradients of f.
///   Source  Aghasi, Ghadimi 2024, "Fully zeroth-order bilevel programming via Gaussian smoothing" (arXiv 2404.00158),
///           in a form of our own: their abstract and a summary, not their text, were read.
struct Zdsba {
  StepSizes steps{};
  std::int64_t inner = 10;
  double inner_growth = 0;
  std::int64_t terms = 10;
  double alpha = 0.1;
  bool random = true;
  ValueGradient lower_gradient{}, upper_gradient{};
  SteinProducts second{};
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  using State = LoopState<X, Y>;

  template <class P, Tree X, Tree Y>
  State<X, Y> begin(const P& p, const X& x, const Y& y, const Y& v = {}) const {
    require(inner > 0 && inner_growth >= 0, "zdsba: ", inner, " inner steps, growing by the power ", inner_growth,
            "; want at least 1, and no negative power");
    require(terms > 0 && alpha > 0, "zdsba: ", terms, " terms of ", alpha, "; want at least 1, and a positive number");
    return {begin_at(p, x, y, v), 0, {}};
  }

  template <class P, Tree X, Tree Y>
  void step(State<X, Y>& s, const P& p) const {
    const Face<Y> face = lower_steps_(s, p);
    const X h = gradient_(s, p, face);
    advance_upper_(p, s.now.x, h, steps.at(s.step).upper);
    ++s.step;
  }

  /// The inner steps; returns the face where the last one lands.
  template <class P, Tree X, Tree Y>
  Face<Y> lower_steps_(State<X, Y>& s, const P& p) const {
    const auto n = std::int64_t(std::ceil(double(inner) * std::pow(double(s.step + 1), inner_growth)));
    Face<Y> face;
    std::int64_t losses = 0;
    for (std::int64_t round = 0; round < n; ++round) {
      const detail::DrawOf<P> draw(p, seed, s.step, round);
      const detail::Values<P, X, Y> at(p, draw(), s.counts);
      const Y g =
          lower_gradient([&](const Y& q) { return at.lower(s.now.x, q); }, s.now.y, seed_of(0, s.step), round, losses);
      face = advance_lower_(p, s.now.y, g, steps.at(s.step).lower);
    }
    return face;
  }

  /// ∇̂_x f + M̂ v at the state, whose v it sets.
  template <class P, Tree X, Tree Y>
  X gradient_(State<X, Y>& s, const P& p, const Face<Y>& face) const {
    Variables<X, Y>& now = s.now;
    std::int64_t losses = 0, factor = 0;
    // batches of the rounds behind all inner steps: f, M, and one for each factor
    const auto values = [&](std::int64_t round, auto&& f) {
      const detail::DrawOf<P> draw(p, seed, s.step, inner_rounds + round);
      return f(detail::Values<P, X, Y>(p, draw(), s.counts));
    };
    Y b = values(0, [&](const auto& at) {
      return upper_gradient([&](const Y& q) { return at.upper(now.x, q); }, now.y, seed_of(1, s.step), 0, losses);
    });
    b = clone(face.along(b));
    scale_(b, -1);
    const auto product = [&](const Y& u) {
      const std::int64_t number = factor++;
      return values(2 + number, [&](const auto& at) {
        return face.along(second.hessian([&](const Y& q) { return at.lower(now.x, q); }, now.y, face.along(u),
                                         seed_of(2, s.step), number));
      });
    };
    now.v = random ? RandomNeumann{terms, alpha, seed, std::uint32_t(s.step)}(product, b).x
                   : Neumann{.terms = terms - 1, .alpha = alpha}(product, b).x;
    X h = values(0, [&](const auto& at) {
      return upper_gradient([&](const X& q) { return at.upper(q, now.y); }, now.x, seed_of(1, s.step), 1, losses);
    });
    axpy_(1,
          values(1,
                 [&](const auto& at) {
                   return second.cross([&](const X& q, const Y& r) { return at.lower(q, r); }, now.x, now.y, now.v,
                                       seed_of(3, s.step), 0);
                 }),
          h);
    return h;
  }

 private:
  static constexpr std::int64_t inner_rounds = std::int64_t(1) << 30;  // more than a step ever takes

  /// Directions of a purpose and a step of the loop: a seed of their own, so that rounds are their steps.
  std::uint64_t seed_of(std::uint32_t purpose, std::int64_t step) const {
    const auto words = philox4x32({std::uint32_t(step), purpose, 0, std::uint32_t(Purpose::data_order) << 28}, seed);
    return words[0] | std::uint64_t(words[1]) << 32;
  }
};

}  // namespace tenzo::bilevel
