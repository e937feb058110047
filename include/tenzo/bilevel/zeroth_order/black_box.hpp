// Hypergradients through an inner solver that is a black box: HOZOG, evolution strategies, PZOBO.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::bilevel {

/// An estimate of ∇F, and what it took.
template <Tree X>
struct BlackBoxGradient {
  X gradient;
  double value = 0;         // F at x, or the mean of what the probe saw
  std::int64_t solves = 0;  // runs of the inner solver
};

/// HOZOG: ∇F ≈ 1/Q Σ (p/μ) [F̂(x + μ u) − F̂(x)] u with u uniform on the unit sphere, F̂(x) = f(x, y(x)).
///   value(x)   F̂, a number: an inner solver run from a fixed start, so that differences are of x alone
///   two_sided  [F̂(x + μ u) − F̂(x − μ u)] / 2 instead
///   Bias       O(μ) in ∇F, O(μ²) two-sided.   Solves   Q + 1, or 2 Q.
///   Source     Gu et al. 2021, Optimizing large-scale hyperparameters via automated learning algorithm.
struct Hozog {
  double mu = 0.1;
  int queries = 10;
  bool two_sided = false;

  template <Tree X, class Value>
  BlackBoxGradient<X> operator()(Value&& value, const X& x, std::uint64_t seed, std::int64_t step) const {
    // directions of length √p: radius μ / √p
    const zo::RgeOptions o{.eps = mu / std::sqrt(double(std::max<std::int64_t>(1, count_elements(x)))),
                           .queries = queries,
                           .two_sided = two_sided,
                           .law = zo::DirectionLaw::sphere};
    const zo::Estimate g = zo::rge(zo::CallableLoss(x, value), seed, std::uint32_t(step), o);
    return {zo::dense_gradient(g, x), g.loss, g.forwards};
  }
};

/// Evolution strategy on F̂: Gaussian u, antithetic pairs x ± σ u.
///   ranked   in place of the 2 Q values their ranks, centred to [−½, ½]: the direction then depends on the order of
///            the values alone, and is no longer an estimate of ∇F. Of equal values the first has the lower rank, and
///            NaN the highest.
///   Source   Salimans et al. 2017.
struct EvolutionStrategy {
  double sigma = 1e-2;
  int queries = 10;
  bool ranked = false;

  template <Tree X, class Value>
  BlackBoxGradient<X> operator()(Value&& value, const X& x, std::uint64_t seed, std::int64_t step) const {
    const zo::RgeOptions o{.eps = sigma, .queries = queries};
    const auto number = std::uint32_t(step);
    zo::CallableLoss losses(x, value);
    if (!ranked) {
      const zo::Estimate g = zo::rge(losses, seed, number, o);
      return {zo::dense_gradient(g, x), g.loss, g.forwards};
    }
    std::vector<double> seen;
    zo::Estimate g = zo::rge(
        [&](const zo::Perturbation& p) {
          const auto pair = losses(p);
          seen.insert(seen.end(), pair.begin(), pair.end());
          return pair;
        },
        seed, number, o);
    // the same estimator once more, shown the ranks
    const std::vector<double> ranks = centred_ranks(seen);
    std::size_t next = 0;
    const zo::Estimate shaped = zo::rge(
        [&](const zo::Perturbation&) {
          next += 2;
          return std::array{ranks[next - 2], ranks[next - 1]};
        },
        seed, number, o);
    return {zo::dense_gradient(shaped, x), g.loss, g.forwards};
  }

 private:
  static std::vector<double> centred_ranks(const std::vector<double>& values) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t(0));
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      if (std::isnan(values[a]) || std::isnan(values[b])) return !std::isnan(values[a]) && std::isnan(values[b]);
      return values[a] < values[b];
    });
    std::vector<double> ranks(values.size());
    for (std::size_t k = 0; k < order.size(); ++k)
      ranks[order[k]] = double(k) / double(std::max<std::size_t>(1, order.size() - 1)) - 0.5;
    return ranks;
  }
};

/// PZOBO: ∇F ≈ ∇_x f + 1/Q Σ ⟨[y(x + μ u) − y(x)] / μ, ∇_y f⟩ u: the response's Jacobian alone is estimated.
///   inner(x)   the inner solver, from the same start with the same steps at every x
///   Bias       O(μ), none where y(x) is affine.   Solves   Q + 1; and one gradient of f.
///   Source     Sow, Ji, Liang 2022, On the convergence theory for Hessian-free bilevel algorithms.
struct Pzobo {
  double mu = 0.1;
  int queries = 10;

  template <class P, Tree X, class Inner>
  BlackBoxGradient<X> operator()(Oracle<P>& oracle, Inner&& inner, const X& x, std::uint64_t seed,
                                 std::int64_t step) const {
    const auto y = inner(x);
    const auto f = oracle.upper_gradients(x, y);
    const double base = tenzo::inner(y, f.y);
    // the base of the one-sided estimate is known: the solver is not run at x again
    const auto along = [&](const X& point) { return same_elements(point, x) ? base : tenzo::inner(inner(point), f.y); };
    const zo::RgeOptions o{.eps = mu, .queries = queries, .two_sided = false};
    const zo::Estimate g = zo::rge(zo::CallableLoss(x, along), seed, std::uint32_t(step), o);
    BlackBoxGradient<X> out{zo::dense_gradient(g, x), f.value, g.forwards};
    axpy_(1, f.x, out.gradient);
    return out;
  }

 private:
  template <Tree X>
  static bool same_elements(const X& a, const X& b) {
    bool same = true;
    for_each_leaf([&](const Path&, const auto& u,
                      const auto& v) { same = same && std::equal(u.data(), u.data() + u.size(), v.data()); },
                  a, b);
    return same;
  }
};

}  // namespace tenzo::bilevel
