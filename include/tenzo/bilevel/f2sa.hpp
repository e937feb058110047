// F²SA: fully first-order bi-level descent, with the forward difference and with the central one.
//   Source  Kwon, Kwon, Wright, Nowak 2023; arXiv 2509.02937 (F²SA-p).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tenzo/bilevel/first_order.hpp"
#include "tenzo/bilevel/value_difference.hpp"

namespace tenzo::bilevel {

/// z tracks argmin g, y tracks argmin f + λ g. K times: z ← Π(z − γ_k ∇_y g(x, z)), y ← Π(y − α_k (∇_y f + λ ∇_y g));
/// then x ← Π(x − ξ_k (∇_x f(x, y) + λ [∇_x g(x, y) − ∇_x g(x, z)])), λ ← min(λ + δ_k, λ_max).
///   Cost   K (one gradient of f, two of g), then one and two.
///   Bias   O(1/λ) in the hypergradient; as λ grows y's loss stiffens, so that α_k is divided by max(1, λ).
struct F2sa {
  std::int64_t inner_steps = 10;
  Power lr_y = {0.1}, lr_z = {0.1}, lr_x = {0.1};
  double lambda = 1;     // at the start
  Power growth = {0.1};  // δ_k
  double lambda_max = std::numeric_limits<double>::infinity();
  bool divide_by_lambda = true;

  /// The exponents of benchopt/benchmark_bilevel: y 5/7, z 4/7, x 4/7, δ 1/7, α_k as it is. There α_k λ_k grows as
  /// k^{1/7}: long runs on exact gradients want a λ_max.
  static F2sa benchmark(double lr = 0.1, double ratio = 1, double growth = 0.01) {
    F2sa o;
    o.lr_y = {lr, 5.0 / 7}, o.lr_z = {lr, 4.0 / 7}, o.lr_x = {lr / ratio, 4.0 / 7};
    o.growth = {growth, 1.0 / 7};
    o.divide_by_lambda = false;
    return o;
  }

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y y, z;
    double lambda = 1;
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f(x, y) before the last step of x
    double gap = std::numeric_limits<double>::quiet_NaN();    // g(x, y) − g(x, z) there
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(inner_steps >= 0 && lambda > 0, "f2sa: ", inner_steps, " inner steps, lambda ", lambda);
    return {x, y, y, lambda};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    const auto& lower_set = oracle.problem().lower_set;
    const double alpha = lr_y.at(s.step) / (divide_by_lambda ? std::max(1.0, s.lambda) : 1.0);
    const double gamma = lr_z.at(s.step);
    for (std::int64_t t = 0; t < inner_steps; ++t) {
      detail::projected_step_(lower_set, gamma, oracle.lower_gradient(s.x, s.z), s.z);
      Y d = oracle.upper_gradients(s.x, s.y).y;
      axpy_(s.lambda, oracle.lower_gradient(s.x, s.y), d);
      detail::projected_step_(lower_set, alpha, d, s.y);
    }
    auto f = oracle.upper_gradients(s.x, s.y);
    const auto at_y = oracle.lower_gradients(s.x, s.y), at_z = oracle.lower_gradients(s.x, s.z);
    s.value = f.value;
    s.gap = at_y.value - at_z.value;
    axpy_(s.lambda, at_y.x, f.x);
    axpy_(-s.lambda, at_z.x, f.x);
    detail::projected_step_(oracle.problem().upper_set, lr_x.at(s.step), f.x, s.x);
    s.lambda = std::min(s.lambda + growth.at(s.step), lambda_max);
    ++s.step;
  }
};

/// F²SA-2: x ← Π(x − ξ_k h), h the central difference at ν_k from the two lower points of the step before.
///   inner   how g ± ν f is minimised; its error is divided by 2ν, so small ν want many steps or a tolerance
///   Bias    O(ν²) in the hypergradient.
struct CentralF2sa {
  PenaltyDescent inner = {};
  Power nu = {1e-2}, lr_x = {0.1};

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y plus, minus;
    std::int64_t step = 0;
    double value = std::numeric_limits<double>::quiet_NaN();  // f before the last step of x
    Report report = {};                                       // of the last hypergradient
    OracleCounts counts = {};
  };
  template <Tree X, Tree Y>
  State<X, Y> start(const X& x, const Y& y) const {
    require(nu.rate > 0 && lr_x.rate > 0, "central f2sa: nu ", nu.rate, ", steps of ", lr_x.rate);
    return {x, y, y};
  }

  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, State<X, Y>& s) const {
    step(oracle, s, inner);
  }
  /// With another inner solver, called as `PenaltyDescent` is.
  template <class P, Tree X, Tree Y, class Solve>
  void step(Oracle<P>& oracle, State<X, Y>& s, const Solve& solve) const {
    const detail::Counting counting(oracle, s.counts);
    auto h = central_difference(oracle, s.x, s.plus, s.minus, solve, {.nu = nu.at(s.step)});
    s.plus = std::move(h.plus);
    s.minus = std::move(h.minus);
    s.value = h.value;
    s.report = std::move(h.report);
    detail::projected_step_(oracle.problem().upper_set, lr_x.at(s.step), h.gradient, s.x);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
