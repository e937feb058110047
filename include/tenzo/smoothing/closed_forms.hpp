// Functions of which it is known what smoothing makes of them: what estimates of values and derivatives, and
// certificates, are held against.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/smoothing/noise.hpp"
#include "tenzo/stats/normal.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::smoothing {

/// f, and at one point the value, the gradient (d) and the Hessian (d, d) of x ↦ E f(x + η).
struct ClosedForm {
  std::string name;
  std::function<double(const Tensor<double>&)> f;  // of (d)
  double value = 0;
  Tensor<double> gradient, hessian;
};

/// E e^(tη), η one coordinate of the noise. Infinite for Laplace noise from |t| λ = 1 on.
inline double exponential_mean(const AdditiveNoise& noise, double t) {
  const double s = t * noise.lambda();
  switch (noise.family) {
    case Family::gaussian: return std::exp(0.5 * s * s);
    case Family::laplace: return std::abs(s) < 1 ? 1 / (1 - s * s) : INFINITY;
    case Family::uniform: return s == 0 ? 1 : std::sinh(s) / s;
    default: return std::cosh(s);
  }
}

/// E cos(tη).
inline double cosine_mean(const AdditiveNoise& noise, double t) {
  const double s = t * noise.lambda();
  switch (noise.family) {
    case Family::gaussian: return std::exp(-0.5 * s * s);
    case Family::laplace: return 1 / (1 + s * s);
    case Family::uniform: return s == 0 ? 1 : std::sin(s) / s;
    default: return std::cos(s);
  }
}

/// At x (d), of a slope a (d) and a symmetric curvature A (d, d), under noise of any family:
///   linear      a·x
///   quadratic   ½ xᵀAx, smoothed ½ σ² tr A more
///   exp         e^(a·x), smoothed Π E e^(aᵢηᵢ) times as large
///   cos         cos(a·x), likewise with Π E cos(aᵢηᵢ)
///   half-space  1[a·x > 0], smoothed Φ(a·x / σ‖a‖); of Gaussian noise alone
///   Throws  ShapeError; ValueError where e^(a·x) has no mean.
inline std::vector<ClosedForm> closed_forms(const AdditiveNoise& noise, const Tensor<double>& x,
                                            const Tensor<double>& slope, const Tensor<double>& curvature) {
  using D = Tensor<double>;
  const std::int64_t d = x.size();
  expect(x.rank() == 1 && slope.shape() == x.shape() && curvature.shape() == Shape{d, d}, "closed forms: x is ",
         x.shape(), ", the slope ", slope.shape(), ", the curvature ", curvature.shape());
  const auto along = [slope](const D& at) { return inner(slope, at); };
  const auto slopes = [&](double s) { return scale(slope, s); };
  const auto outer = [&](double s) {
    D h(Shape{d, d});
    for (std::int64_t i = 0; i < d; ++i)
      for (std::int64_t j = 0; j < d; ++j) h(i, j) = s * slope(i) * slope(j);
    return h;
  };
  const auto times = [d, curvature](const D& at) {
    D y = D::zeros({d});
    for (std::int64_t i = 0; i < d; ++i)
      for (std::int64_t j = 0; j < d; ++j) y(i) += curvature(i, j) * at(j);
    return y;
  };
  double grow = std::exp(along(x)), fade = 1, trace = 0;
  for (std::int64_t i = 0; i < d; ++i) {
    grow *= exponential_mean(noise, slope(i)), fade *= cosine_mean(noise, slope(i));
    trace += curvature(i, i);
  }
  require(std::isfinite(grow), "closed forms: e^(a·x) has no mean under this noise");
  const double t = along(x), sigma = noise.sigma;
  std::vector<ClosedForm> out{
      {"linear", along, t, slopes(1), outer(0)},
      {"quadratic", [times](const D& at) { return 0.5 * inner(at, times(at)); },
       0.5 * (inner(x, times(x)) + sigma * sigma * trace), times(x), curvature},
      {"exp", [along](const D& at) { return std::exp(along(at)); }, grow, slopes(grow), outer(grow)},
      {"cos", [along](const D& at) { return std::cos(along(at)); }, std::cos(t) * fade, slopes(-std::sin(t) * fade),
       outer(-std::cos(t) * fade)}};
  if (noise.family == Family::gaussian) {
    const double deviation = sigma * norm(slope), z = t / deviation, density = normal_density(z);
    out.push_back({"half-space", [along](const D& at) { return double(along(at) > 0); }, normal_cdf(z),
                   slopes(density / deviation), outer(-z * density / (deviation * deviation))});
  }
  return out;
}

/// Class 0 of two where 0.6 x₀ + 0.8 x₁ > 0: smoothed by Gaussian noise of any σ, certified to its distance in l2.
struct HalfSpace {
  Tensor<double> operator()(const Tensor<double>& x) const {  // (n, 2) -> (n, 2)
    Tensor<double> s = Tensor<double>::zeros({x.shape()[0], 2});
    for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = 0.6 * x(i, 0) + 0.8 * x(i, 1);
    return s;
  }
  /// A point of class 0 at distance t of class 1, (2).
  static Tensor<double> at_distance(double t) { return Tensor<double>::from({2}, {0.6 * t, 0.8 * t}); }
};

/// Class 0 of two where x₀ > 0: of single numbers certified to x in each norm, by any family's noise that certifies (by
/// uniform noise for x < λ).
struct Threshold {
  Tensor<double> operator()(const Tensor<double>& x) const {  // (n, 1) -> (n, 2)
    Tensor<double> s = Tensor<double>::zeros({x.shape()[0], 2});
    for (std::int64_t i = 0; i < s.shape()[0]; ++i) s(i, 0) = x(i, 0);
    return s;
  }
};

}  // namespace tenzo::smoothing
