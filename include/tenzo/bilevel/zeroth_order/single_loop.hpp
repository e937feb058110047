// The single loop from values alone, without Hessians: SOBA's three directions as gradients of one number.
#pragma once

#include <cstdint>
#include <limits>

#include "tenzo/bilevel/zeroth_order/penalty.hpp"

namespace tenzo::bilevel {

/// With  L(x, y; v) = f(x, y) + [g(x, y + εv) − g(x, y − εv)] / 2ε  it holds up to ε² that
///   ∇_y L = ∇_y f + H v = D_v,   ∇_x L = ∇_x f + M v = D_x,   and D_y = ∇_y g.
/// y, v and x take SOBA's step along estimates of these three from values, all at the same old state: what a direction
/// has of the others is one step late, and no loop is inside a step.
///   eps     ε ‖v‖ in the differences along v
///   Cost    a step takes Q values of g for D_y, and Q of f and 2 Q of g for each of D_v and D_x.
///   Source  our own form of the Hessian-free single loop of Rando, Vaiter 2026 (arXiv 2601.21836, HF-ZOBA): their
///           abstract, not their text, was read.
struct ZoSingleLoop {
  StepSizes steps{};
  double eps = 1e-3;
  ValueGradient lower_gradient{}, upper_gradient{};
  double linear_radius = std::numeric_limits<double>::infinity();
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  using State = LoopState<X, Y>;

  template <class P, Tree X, Tree Y>
  State<X, Y> begin(const P& p, const X& x, const Y& y, const Y& v = {}) const {
    require(eps > 0, "zo single loop: eps is ", eps, "; want a positive number");
    return {begin_at(p, x, y, v), 0, {}};
  }

  /// The three estimates at the state.
  template <class P, Tree X, Tree Y>
  Variables<X, Y> directions_(State<X, Y>& s, const P& p) const {
    const Variables<X, Y>& now = s.now;
    std::int64_t losses = 0;
    const detail::DrawOf<P> draws[3] = {{p, seed, s.step, 0}, {p, seed, s.step, 1}, {p, seed, s.step, 2}};
    const double size = norm(now.v), e = size > 0 ? eps / size : 0;
    const auto lagrangian = [&](const detail::Values<P, X, Y>& at, const X& x, const Y& y) {
      const double f = at.upper(x, y);
      if (e == 0) return f;
      Y up = clone(y), down = clone(y);
      axpy_(e, now.v, up);
      axpy_(-e, now.v, down);
      return f + (at.lower(x, up) - at.lower(x, down)) / (2 * e);
    };
    const detail::Values<P, X, Y> first(p, draws[0](), s.counts), second(p, draws[1](), s.counts),
        third(p, draws[2](), s.counts);
    // directions of D_y, D_v and D_x are independent: numbers 3 t, 3 t + 1, 3 t + 2
    Variables<X, Y> d;
    d.y = lower_gradient([&](const Y& q) { return first.lower(now.x, q); }, now.y, seed,
                         detail::noise_step(s.step, 3, 0), losses);
    d.v = lower_gradient([&](const Y& q) { return lagrangian(second, now.x, q); }, now.y, seed,
                         detail::noise_step(s.step, 3, 1), losses);
    d.x = upper_gradient([&](const X& q) { return lagrangian(third, q, now.y); }, now.x, seed,
                         detail::noise_step(s.step, 3, 2), losses);
    return d;
  }

  template <class P, Tree X, Tree Y>
  void step(State<X, Y>& s, const P& p) const {
    const auto d = directions_(s, p);
    advance_(p, s.now, d, steps.at(s.step), linear_radius);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
