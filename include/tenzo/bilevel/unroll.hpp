// Hypergradients of F(x) = f(x, y_T), y_t = Φ_t(x, y_{t−1}), through the steps of the lower solver.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/bilevel/hypergradient.hpp"
#include "tenzo/bilevel/steps.hpp"

namespace tenzo::bilevel {

namespace detail {

template <class Step, Tree Y>
State<Y, Step::moments + 1> first_state(const Step&, const Y& y) {
  State<Y, Step::moments + 1> s;
  s[0] = y;
  for (std::size_t i = 1; i < s.size(); ++i) s[i] = zeros_like(y);
  return s;
}

template <class P, class Step, Tree X, class S>
S next_state(Oracle<P>& oracle, const Step& step, const X& x, const S& s, std::int64_t t) {
  ++oracle.counts.lower_gradients;
  const auto& p = oracle.problem();
  return step(p.lower, p.lower_set, x, s, t);
}

/// The vector-Jacobian product of a step: its own way, or reverse over reverse.
template <class P, class Step, Tree X, class S>
Pulled<X, S> pull_back(Oracle<P>& oracle, const Step& step, const X& x, const S& s, std::int64_t t, const S& a) {
  if constexpr (requires { step.pull_back(oracle, x, s, t, a); }) {
    return step.pull_back(oracle, x, s, t, a);
  } else {
    ++oracle.counts.hessian_products, ++oracle.counts.cross_products;
    const auto& p = oracle.problem();
    auto g = grad(
        [&](const auto& q) {
          using W = leaf_t<std::remove_cvref_t<decltype(q)>>;
          const auto next = step(p.lower, p.lower_set, q.first, q.second, t);
          return lift<W>(dot(next, a));
        },
        std::pair(x, s));
    return {std::move(g.first), std::move(g.second)};
  }
}

}  // namespace detail

/// y_T by T steps from y₀.
template <class P, Tree X, Tree Y, StepMap Step>
Y run_steps(Oracle<P>& oracle, const X& x, const Y& y0, const Step& step, std::int64_t steps) {
  auto s = detail::first_state(step, y0);
  for (std::int64_t t = 0; t < steps; ++t) s = detail::next_state(oracle, step, x, s, t);
  return s[0];
}

struct UnrollOptions {
  std::int64_t steps = 100;
  /// Steps that are gone back; −1: all. 1 is one-step differentiation, right for solvers that converge like Newton's.
  std::int64_t back = -1;
  /// Keep about 2 √T states and compute the others again, instead of all T: the same bits.
  bool recompute = true;
};

/// Reverse mode through the steps:  a_T = ∇_y f;  b += (∂_x Φ_t)ᵀ a_t,  a_{t−1} = (∂_y Φ_t)ᵀ a_t;  ∇F = ∇_x f + b.
///   adjoint   of the result is a₀ = ∂F/∂y₀, by which a start that depends on x is differentiated (MAML)
///   Cost      T steps, and a pull-back each of the `back` last ones; with `recompute` up to T steps more.
///   Memory    states: 2 √back, or back.
template <class P, Tree X, Tree Y, StepMap Step>
Hypergradient<X, Y> unrolled_gradient(Oracle<P>& oracle, const X& x, const Y& y0, const Step& step,
                                      const UnrollOptions& o = {}) {
  require(o.steps >= 0, "unroll: ", o.steps, " steps");
  const OracleCounts before = oracle.counts;
  using S = State<Y, Step::moments + 1>;
  const std::int64_t back = o.back < 0 ? o.steps : std::min(o.back, o.steps), first = o.steps - back;
  const std::int64_t segment = o.recompute ? std::max<std::int64_t>(1, std::int64_t(std::ceil(std::sqrt(double(back)))))
                                           : std::max<std::int64_t>(1, back);

  S s = detail::first_state(step, y0);
  std::int64_t t = 0;
  for (; t < first; ++t) s = detail::next_state(oracle, step, x, s, t);
  std::vector<S> marks;   // states before steps first, first + segment, …
  std::vector<S> within;  // states before the steps of the last segment
  for (; t < o.steps; ++t) {
    if ((t - first) % segment == 0) {
      marks.push_back(s);
      within.clear();
    }
    within.push_back(s);
    s = detail::next_state(oracle, step, x, s, t);
  }

  Hypergradient<X, Y> h;
  UpperGradients<X, Y> f = oracle.upper_gradients(x, s[0]);
  h.value = f.value;
  h.solution = s[0];
  h.direct = clone(f.x);
  h.gradient = std::move(f.x);
  S a;
  a[0] = std::move(f.y);
  for (std::size_t i = 1; i < a.size(); ++i) a[i] = zeros_like(y0);
  for (t = o.steps; t > first;) {
    const std::int64_t begin = first + std::int64_t(marks.size() - 1) * segment;
    if (within.empty()) {
      within.push_back(marks.back());
      for (std::int64_t u = begin; u + 1 < t; ++u)
        within.push_back(detail::next_state(oracle, step, x, within.back(), u));
    }
    for (; t > begin; --t) {
      auto pulled = detail::pull_back(oracle, step, x, within.back(), t - 1, a);
      axpy_(1, pulled.x, h.gradient);
      a = std::move(pulled.state);
      within.pop_back();
    }
    marks.pop_back();
  }
  h.adjoint = std::move(a[0]);
  h.report.counts = oracle.counts - before;
  return h;
}

/// Forward mode through the steps, Z_t = ∂_yΦ Z_{t−1} + ∂_xΦ, a column at a time: for few upper variables and any
/// number of steps.
///   Cost    count_elements(x) runs with tangents.   Memory   one state and its tangent.
template <class P, Tree X, Tree Y, StepMap Step>
Hypergradient<X, Y> forward_unrolled_gradient(Oracle<P>& oracle, const X& x, const Y& y0, const Step& step,
                                              std::int64_t steps) {
  using V = leaf_t<X>;
  const OracleCounts before = oracle.counts;
  Hypergradient<X, Y> h;
  h.solution = run_steps(oracle, x, y0, step, steps);
  const UpperGradients<X, Y> f = oracle.upper_gradients(x, h.solution);
  h.value = f.value;
  h.direct = clone(f.x);
  h.gradient = clone(f.x);
  const auto& p = oracle.problem();
  X unit = zeros_like(x);
  for_each_leaf(
      [&](const Path&, V& e, V& result) {
        for (std::int64_t i = 0; i < e.size(); ++i) {
          e(i) = 1;
          const auto along = map_tree<Dual<V>>(
              x,
              [](const V& v, const V& d) {
                return Dual<V>{v, d};
              },
              unit);
          auto s = detail::first_state(step, map_tree<Dual<V>>(y0, [](const V& v) { return Dual<V>{v, V{}}; }));
          for (std::int64_t t = 0; t < steps; ++t) s = step(p.lower, p.lower_set, along, s, t);
          oracle.counts.hessian_products += steps;
          const Y z = map_tree<V>(
              s[0], [](const Dual<V>& d) { return d.tangent.defined() ? d.tangent : V::zeros(d.value.shape()); });
          result(i) += scalar_t<V>(inner(f.y, z));
          e(i) = 0;
        }
      },
      unit, h.gradient);
  h.report.counts = oracle.counts - before;
  return h;
}

}  // namespace tenzo::bilevel
