// The penalty method from values alone: F²SA-2 with every gradient estimated.
#pragma once

#include <cstdint>
#include <utility>

#include "tenzo/bilevel/stochastic/directions.hpp"
#include "tenzo/bilevel/zeroth_order/gradient.hpp"

namespace tenzo::bilevel {

namespace detail {

/// f and g of a problem as plain numbers, counted; of a batched one, of the batches of a draw.
template <class P, Tree X, Tree Y>
class Values {
 public:
  Values(const P& problem, const BatchDraw* draw, OracleCounts& counts)
      : problem_(problem), draw_(draw), counts_(counts) {}

  double upper(const X& x, const Y& y) const {
    return ask([&](auto& o) { return o.upper(x, y); });
  }
  double lower(const X& x, const Y& y) const {
    return ask([&](auto& o) { return o.lower(x, y); });
  }

 private:
  template <class Ask>
  double ask(Ask&& f) const {
    const auto of = [&](const auto& p) {
      Oracle oracle(p);
      oracle.counts = counts_;
      const double value = f(oracle);
      counts_ = oracle.counts;
      return value;
    };
    if constexpr (BatchedProblem<P>) return of(problem_.at(draw_->gradient(), draw_->upper()));
    else return of(problem_);
  }

  const P& problem_;
  const BatchDraw* draw_;
  OracleCounts& counts_;
};

/// The draw of a round of a step; nothing of a problem without batches.
template <class P>
struct DrawOf {
  const BatchDraw* operator()() const { return nullptr; }
  DrawOf(const P&, std::uint64_t, std::int64_t, std::int64_t) {}
};
template <BatchedProblem P>
struct DrawOf<P> {
  BatchDraw draw;
  const BatchDraw* operator()() const { return &draw; }
  DrawOf(const P& p, std::uint64_t seed, std::int64_t step, std::int64_t round) : draw(p, seed, step, round) {}
};

/// The step number of an estimate's noise: steps with up to `rounds` estimates each.
inline std::int64_t noise_step(std::int64_t step, std::int64_t rounds, std::int64_t round) {
  return step * rounds + round;
}

}  // namespace detail

/// y₊ and y₋ follow the minima of g + ν f and g − ν f by K steps each, with the same directions and batches; then
///   h ≈ ∇_x { ½ [f(x, y₊) + f(x, y₋)] + [g(x, y₊) − g(x, y₋)] / 2ν },   x ← Π_X(x − upper_step h),
/// every gradient from values. P is a Problem, or a batched one, of which a step takes a batch of each level.
///   Error   O(ν²) of the penalty where y₊ and y₋ are at their minima, and the estimators'. Wants ν L_f < μ_g.
///   Cost    a value of the gradient in y takes one of f and one of g; in x two of each.
///   Source  arXiv 2509.02937 (F²SA-p, p = 2); arXiv 2510.03646 (from values).
struct ZoPenalty {
  double nu = 0.01;
  std::int64_t inner = 10;
  double inner_step = 0.1, upper_step = 0.1;
  ValueGradient lower_gradient{}, upper_gradient{};
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  struct State {
    X x;
    Y plus, minus;
    std::int64_t step = 0;
    OracleCounts counts;

    static void visit(auto&& f, auto&... self) {
      f("x", self.x...);
      f("plus", self.plus...);
      f("minus", self.minus...);
      f("step", self.step...);
    }
  };

  template <class P, Tree X, Tree Y>
  State<X, Y> begin(const P& p, const X& x, const Y& y) const {
    require(nu > 0 && inner >= 0, "zo penalty: nu is ", nu, " with ", inner,
            " inner steps; want a positive number, and no negative one");
    const Y start = p.lower_set.project(y).point;
    return {clone(p.upper_set.project(x).point), clone(start), clone(start), 0, {}};
  }

  /// h at the state's x, after the inner steps; x stays.
  template <class P, Tree X, Tree Y>
  X gradient_(State<X, Y>& s, const P& p) const {
    std::int64_t losses = 0;
    for (std::int64_t k = 0; k < inner; ++k) {
      const std::int64_t number = detail::noise_step(s.step, inner + 1, k);
      const detail::DrawOf<P> draw(p, seed, s.step, k);
      const detail::Values<P, X, Y> at(p, draw(), s.counts);
      for (const int side : {1, -1}) {
        Y& y = side > 0 ? s.plus : s.minus;
        const auto loss = [&](const Y& q) { return at.lower(s.x, q) + side * nu * at.upper(s.x, q); };
        const Y g = lower_gradient(loss, y, seed, number, losses);
        advance_lower_(p, y, g, inner_step);
      }
    }
    const detail::DrawOf<P> draw(p, seed, s.step, inner);
    const detail::Values<P, X, Y> at(p, draw(), s.counts);
    const auto loss = [&](const X& q) {
      return 0.5 * (at.upper(q, s.plus) + at.upper(q, s.minus)) +
             (at.lower(q, s.plus) - at.lower(q, s.minus)) / (2 * nu);
    };
    return upper_gradient(loss, s.x, seed, detail::noise_step(s.step, inner + 1, inner), losses);
  }

  template <class P, Tree X, Tree Y>
  void step(State<X, Y>& s, const P& p) const {
    const X h = gradient_(s, p);
    advance_upper_(p, s.x, h, upper_step);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
