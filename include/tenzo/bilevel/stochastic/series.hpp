// Hypergradient estimates by a series of sampled Hessians: what the methods without a state v take for v.
#pragma once

#include <cstdint>

#include "tenzo/bilevel/stochastic/directions.hpp"
#include "tenzo/solve/stationary.hpp"

namespace tenzo::bilevel {

/// v = −α Σ_{k < terms} Π_{i ≤ k} (I − α H_i) ∇_y f, each H_i of a batch of its own, so that its mean is the series of
/// the mean Hessian.
///   random   instead p uniform in {0 … terms − 1} and v = −terms α Π_{i < p} (I − α H_i) ∇_y f: the same mean, less
///            work, more variance
///   alpha    0 < α < 2 / λ_max; the series misses (I − α H)^terms of v*
///   Source  Ghadimi, Wang 2018 (random); Ji, Yang, Liang 2021 (the sum).
struct SampledSeries {
  std::int64_t terms = 10;
  double alpha = 0.1;
  bool random = false;

  /// v at (x, y) from ∇_y f, along the face; `number` names the random length.
  template <BatchedProblem S, Tree X, Tree Y>
  Y operator()(BatchOracle<S>& oracle, const X& x, const Y& y, const Y& upper_y, const Face<Y>& face,
               const BatchDraw& draw, std::uint64_t seed, std::int64_t number) const {
    require(terms > 0, "series: ", terms, " terms; want at least 1");
    Y b = clone(face.along(upper_y));
    scale_(b, -1);
    std::int64_t k = 0;
    const auto product = [&](const Y& u) { return face.along(oracle.hessian(x, y, face.along(u), draw.factor(k++))); };
    if (random) return RandomNeumann{terms, alpha, seed, std::uint32_t(number)}(product, b).x;
    return Neumann{.terms = terms - 1, .alpha = alpha}(product, b).x;
  }
};

namespace detail {

/// D_y, v by a series, and D_x = M v + ∇_x f, all of one draw.
///   face     of the lower set that v keeps to
///   number   names the random length: the same for a sample taken at two points
template <BatchedProblem S, Tree X, Tree Y>
Variables<X, Y> series_directions(BatchOracle<S>& oracle, const X& x, const Y& y, const SampledSeries& series,
                                  const Face<Y>& face, const BatchDraw& draw, std::uint64_t seed, std::int64_t number) {
  Variables<X, Y> d;
  auto f = oracle.upper(x, y, draw.upper());
  d.y = oracle.gradient(x, y, draw.gradient());
  d.v = series(oracle, x, y, f.y, face, draw, seed, number);
  d.x = std::move(f.x);
  axpy_(1, oracle.cross(x, y, d.v, draw.cross()), d.x);
  return d;
}

/// The face that a step from y along a direction lands on.
template <BatchedProblem S, Tree Y>
Face<Y> face_of_step(const S& sum, const Y& y, const Y& direction, double step) {
  Y moved = clone(y);
  axpy_(-step, direction, moved);
  return std::move(sum.lower_set.project(moved).face);
}

}  // namespace detail

}  // namespace tenzo::bilevel
