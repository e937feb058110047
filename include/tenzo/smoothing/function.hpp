// Smoothed functions f_σ(x) = E f(x + σu), u ~ N(0, I) or another law of the zeroth-order directions, and their
// derivatives, of values of f alone. The random gradient estimate of zo/ with radius σ is the gradient of f_σ without
// bias: this file names that, and adds what zo/ does not have.
//   Source  Nesterov, Spokoiny 2017, section 2.
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

/// An estimate of ∇f_σ(x), as data; of any tree x. `zo::dense_gradient(g, x)` is the gradient itself.
///   f(tree) → a number
template <Tree X, class F>
zo::Estimate smoothed_gradient(F&& f, const X& x, std::uint64_t seed, std::uint32_t step, const SmoothedOptions& o) {
  return zo::rge(zo::CallableLoss(x, [&](const X& at) { return double(f(at)); }), seed, step, o.rge());
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
