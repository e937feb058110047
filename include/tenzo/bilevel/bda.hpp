// BDA: descent aggregated of both levels, for lower levels with more than one solution.
//   Source  Liu, Mu, Yuan, Zeng, Zhang 2020, "A generic first-order algorithmic framework for bi-level programming
//   beyond
//           lower-level singleton".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "tenzo/bilevel/first_order.hpp"
#include "tenzo/bilevel/unroll.hpp"

namespace tenzo::bilevel {

/// y ← Π(y − lr (α_t μ ∇_y f + (1 − α_t) ∇_y g)), a step map: among the lower solutions it goes to those that f
/// prefers, provided that α_t falls and its sum does not end.
template <class F>
struct AggregateStep {
  static constexpr std::size_t moments = 0;
  const F& upper;
  double lr = 0.1, mu = 1;
  Power weight = {0.5, 0.5};  // α_t

  /// α_t μ f + (1 − α_t) g.
  template <class G>
  auto aggregate(const G& lower, std::int64_t t) const {
    const double a = weight.at(t);
    return [this, &lower, a](const auto& x, const auto& y) {
      return add(scale(upper(x, y), a * mu), scale(lower(x, y), 1 - a));
    };
  }
  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t t) const {
    return GradientStep{lr}(aggregate(lower, t), set, x, s, t);
  }
  template <class P, Tree X, Tree Y>
  detail::Pulled<X, State<Y, 1>> pull_back(Oracle<P>& oracle, const X& x, const State<Y, 1>& s, std::int64_t t,
                                           const State<Y, 1>& cotangent) const {
    const auto& p = oracle.problem();
    const Problem both{upper, aggregate(p.lower, t), p.upper_set, p.lower_set};
    Oracle inside(both);
    auto pulled = GradientStep{lr}.pull_back(inside, x, s, t, cotangent);
    oracle.counts.lower_gradients += inside.counts.lower_gradients;
    oracle.counts.hessian_products += inside.counts.hessian_products;
    oracle.counts.cross_products += inside.counts.cross_products;
    return pulled;
  }
};

/// x ← Π(x − lr_x h), h the gradient of f(x, y_T(x)) back through T aggregated steps.
///   warm   y₀ is the y_T of the step before; otherwise that of the start, as in the paper
///   Counts  a gradient or a product of the aggregate counts as one of g and, for gradients, as one of f.
struct Bda {
  std::int64_t inner_steps = 20;
  double lr_y = 0.1, mu = 1, lr_x = 0.1;
  Power weight = {0.5, 0.5};
  bool warm = false;

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y first, y;  // y₀ and y_T
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f(x, y_T) before the last step of x
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps > 0 && mu >= 0 && weight.rate >= 0 && weight.rate <= 1 && weight.exponent >= 0,
            "bda: ", inner_steps, " inner steps, mu ", mu, ", a weight of ", weight.rate, " that falls by the power ",
            weight.exponent);
    return {x, y, y};
  }

  /// The hypergradient at x from y₀.
  template <class P, Tree X, Tree Y>
  Hypergradient<X, Y> gradient(Oracle<P>& oracle, const X& x, const Y& first) const {
    const OracleCounts before = oracle.counts;
    using F = std::remove_cvref_t<decltype(oracle.problem().upper)>;
    const AggregateStep<F> aggregated{oracle.problem().upper, lr_y, mu, weight};
    auto h = unrolled_gradient(oracle, x, first, aggregated, UnrollOptions{.steps = inner_steps});
    oracle.counts.upper_gradients += (oracle.counts - before).lower_gradients;
    h.report.counts = oracle.counts - before;
    return h;
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    auto h = gradient(oracle, s.x, s.first);
    s.value = h.value;
    s.y = std::move(h.solution);
    if (warm) s.first = s.y;
    detail::projected_step_(oracle.problem().upper_set, lr_x, h.gradient, s.x);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
