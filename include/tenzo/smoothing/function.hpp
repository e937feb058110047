// Smoothed functions x ↦ E f(x + η) and their derivatives, of values of f alone: under any noise of
// smoothing/noise.hpp, and as what the random gradient estimate of zo/ has as its mean.
//   Source  Nesterov, Spokoiny 2017, section 2; Mohamed, Rosca, Figurnov, Mnih 2020, "Monte Carlo gradient estimation
//   in
//           machine learning", sections 4 (score function) and 6 (differences of weak derivatives).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/smoothing/sampling.hpp"
#include "tenzo/tree/ravel.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::smoothing {

/// Of the random gradient estimate. Its law decides which gradient is its mean, for either number of ends:
///   gaussian    ∇ E f(x + σu), u ~ N(0, I)
///   sphere      ∇ E f(x + b), b uniform in the ball of radius σ√d
///   rademacher  for coordinate i ∂ᵢ E f(x + η), ηᵢ uniform in [−σ, σ], the others ±σ: another function for each
///               coordinate, and none of them E f(x + σu). Of x³ it is 3x² + σ², where ∇ E f(x + σu) is 3x² + 3σ²
/// All three agree where f is quadratic, and to O(σ²) where it is smooth.
struct SmoothedOptions {
  double sigma = 0.1;
  int queries = 100;       // directions
  bool antithetic = true;  // both ends of each direction: terms of even order cancel in the gradient
  zo::DirectionLaw law = zo::DirectionLaw::gaussian;

  zo::RgeOptions rge() const { return {.eps = sigma, .queries = queries, .two_sided = antithetic, .law = law}; }
};

/// E f(x + η) by n samples of any noise, with its standard error.
///   f(inputs (b, …)) → (b), a number each
template <Real T, NoiseOn<T> N, class F>
RunningMean smoothed_value(F&& f, const N& noise, const Tensor<T>& x, const Stream& stream, std::int64_t n,
                           std::int64_t batch = 256) {
  RunningMean m;
  for_noisy_outputs(f, noise, x, stream, 0, n, batch, [&](std::int64_t, const Tensor<T>& y) {
    for (const T v : y.values()) m.add(double(v));
  });
  return m;
}

/// An unbiased estimate, as data, of the gradient that the law of the directions has; of any tree x.
/// `zo::dense_gradient(g, x)` is the gradient itself.
///   f(tree) → a number
///   Throws  ValueError for coordinate directions, which smooth nothing, and as `zo::rge` does.
template <Tree X, class F>
zo::Estimate smoothed_gradient(F&& f, const X& x, std::uint64_t seed, std::uint32_t step, const SmoothedOptions& o) {
  require(o.law != zo::DirectionLaw::coordinate, "smoothed gradient: coordinate directions smooth nothing");
  return zo::rge(zo::CallableLoss(x, [&](const X& at) { return double(f(at)); }), seed, step, o.rge());
}

/// A mean of gradients, with the standard error of each element: NaN of fewer than two.
struct MeanGradient {
  Tensor<double> mean, standard_error;  // (…), as the input
  std::int64_t forwards = 0;
};

/// The gradient of E f(x + η) under noise of a family, of n pairs of values.
///   f(inputs (b, …)) → (b), a number each; x (…), of d elements
///   gaussian  ½ [f(x + η) − f(x − η)] η / σ², the score of the density, −∇ log p, being η / σ²
///   laplace   ½ [f(x + η) − f(x − η)] sign(η) / λ
///   uniform   the density has no score, but ends: ∂ᵢ is the mean of [f(x + η⁺) − f(x + η⁻)] / 2λ, ηᵢ put at ±λ. A pair
///             is of one coordinate, each in its turn
///   Bias      none, where f has a mean under the noise.
///   Variance  of all elements, for linear f of slope a: (d + 1)/n ‖a‖² of Gaussian and (2d − 1)/n ‖a‖² of Laplace
///             noise, none of uniform noise; of that, for any f, d/n times the difference quotients' variance.
///   Memory    2 · batch copies of x.
///   Throws    ValueError for Rademacher noise, whose smoothed function has a gradient only where f has one, for σ = 0
///             or no elements, and for uniform noise with n < d.
template <Real T, class F>
MeanGradient smoothed_gradient(F&& f, const AdditiveNoise& noise, const Tensor<T>& x, const Stream& stream,
                               std::int64_t n, std::int64_t batch = 256) {
  require(noise.family != Family::rademacher, "smoothed gradient: values at ±sigma do not tell it");
  const std::int64_t d = x.size();
  require(noise.sigma > 0 && n > 0 && batch > 0 && d > 0, "smoothed gradient: sigma ", noise.sigma, ", ", n,
          " pairs in batches of ", batch, ", ", d, " elements");
  const bool at_ends = noise.family == Family::uniform;
  require(!at_ends || n >= d, "smoothed gradient: ", n, " pairs of values for ", d, " coordinates under uniform noise");
  const double lambda = noise.lambda();
  const auto score = [&](double eta) {
    return noise.family == Family::gaussian ? eta / (lambda * lambda) : std::copysign(1 / lambda, eta);
  };
  const auto values = [&](const Tensor<T>& inputs) {
    const auto y = f(inputs);
    expect(y.size() == inputs.shape()[0], "smoothing: a function gave ", y.shape(), " for ", inputs.shape()[0],
           " inputs");
    return y;
  };
  std::vector<RunningMean> each(static_cast<std::size_t>(d));
  for (std::int64_t first = 0; first < n; first += batch) {
    const std::int64_t some = std::min(batch, n - first);
    const Tensor<T> eta = noise_for<T>(noise, x.shape().inserted(0, 1), stream, first, some);
    const T *from = x.data(), *e = eta.data(), end = T(lambda);
    Tensor<T> up(x.shape().inserted(0, some)), down(up.shape());
    T *above = up.data(), *below = down.data();
    for (std::int64_t k = 0; k < some * d; ++k) {
      const std::int64_t i = k % d;
      const bool turn = at_ends && (first + k / d) % d == i;
      above[k] = from[i] + (turn ? end : e[k]);
      below[k] = from[i] + (turn ? -end : at_ends ? e[k] : -e[k]);
    }
    const auto high = values(up), low = values(down);
    for (std::int64_t r = 0; r < some; ++r) {
      const double half = 0.5 * (double(high(r)) - double(low(r)));
      if (at_ends) each[std::size_t((first + r) % d)].add(half / lambda);
      else
        for (std::int64_t i = 0; i < d; ++i) each[std::size_t(i)].add(half * score(double(e[r * d + i])));
    }
  }
  MeanGradient g{Tensor<double>(x.shape()), Tensor<double>(x.shape()), 2 * n};
  for (std::int64_t i = 0; i < d; ++i) {
    g.mean(i) = each[std::size_t(i)].mean;
    g.standard_error(i) = each[std::size_t(i)].standard_error();
  }
  return g;
}

/// An estimate of ∇²f_σ(x), (d, d) for the d elements of x in order, symmetric:
///     1/σ² E [ ½ (f(x + σu) + f(x − σu)) − f(x) ] (uuᵀ − I).
///   Unbiased for Gaussian u; the base f(x) takes nothing from the mean and most of the variance.
///   Memory  d² doubles.  Forwards  2 queries + 1.
///   Throws  ValueError for another law than Gaussian.
template <Tree X, class F>
Tensor<double> smoothed_hessian(F&& f, const X& x, std::uint64_t seed, std::uint32_t step, const SmoothedOptions& o) {
  require(o.law == zo::DirectionLaw::gaussian && o.sigma > 0 && o.queries > 0, "smoothed Hessian: sigma ", o.sigma,
          ", ", o.queries, " queries; of Gaussian directions");
  const std::int64_t d = count_elements(x);
  Tensor<double> h = Tensor<double>::zeros({d, d});
  zo::CallableLoss values(x, [&](const X& at) { return double(f(at)); });
  const double base = double(f(x));
  const X zero = zeros_like(x);
  for (int q = 0; q < o.queries; ++q) {
    const zo::Direction direction = o.rge().direction(seed, step, std::uint32_t(q));
    zo::Perturbation p;
    p.sides = 2;
    p.terms = {{direction, {o.sigma, -o.sigma}}};
    const auto ends = values(p);
    const double c = (0.5 * (ends[0] + ends[1]) - base) / (o.sigma * o.sigma * double(o.queries));
    X u = clone(zero);
    zo::add_steps_(u, {{direction, 1.0}});
    const auto flat = ravel(u);
    for (std::int64_t i = 0; i < d; ++i) {
      for (std::int64_t j = 0; j < d; ++j) h(i, j) += c * (double(flat(i)) * double(flat(j)));
      h(i, i) -= c;
    }
  }
  return h;
}

/// How good a gradient estimate is beside the gradient.
struct GradientAgreement {
  double cosine = 0;
  double relative_error = 0;   // ‖ĝ − g‖ / ‖g‖
  double expected_cosine = 0;  // √(q / (q + d + 1)) of q Gaussian directions in d dimensions: small where d is large
};

/// Of an estimate by `queries` directions. NaN cosines where one of both is zero.
template <Tree X>
GradientAgreement gradient_agreement(const X& estimate, const X& gradient, std::int64_t queries) {
  GradientAgreement a;
  const double size = norm(gradient), d = double(count_elements(gradient)), q = double(queries);
  a.cosine = inner(estimate, gradient) / (norm(estimate) * size);
  X difference = clone(estimate);
  axpy_(-1, gradient, difference);
  a.relative_error = norm(difference) / size;
  a.expected_cosine = std::sqrt(q / (q + d + 1));
  return a;
}

}  // namespace tenzo::smoothing
