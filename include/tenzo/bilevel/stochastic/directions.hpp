// The three directions that all stochastic solvers are made of, and the step along them.
//   D_y = ∇_y g,  D_v = H v + ∇_y f,  D_x = M v + ∇_x f,  H = ∇²_yy g,  M = ∇²_xy g:
// at D_y = 0 and D_v = 0, D_x is the hypergradient.
//   Source  Dagréou et al. 2022, A framework for bilevel optimization that enables stochastic and global variance
//           reduction algorithms.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "tenzo/bilevel/stochastic/finite_sum.hpp"

namespace tenzo::bilevel {

/// Where a solver stands, or a direction: y and v like the lower variables, x like the upper ones. A tree of its
/// leaves.
template <Tree X, Tree Y>
struct Variables {
  Y y, v;
  X x;

  static void visit(auto&& f, auto&... self) {
    f("y", self.y...);
    f("v", self.v...);
    f("x", self.x...);
  }
};

/// Where a loop stands that remembers nothing but its variables.
template <Tree X, Tree Y>
struct LoopState {
  Variables<X, Y> now;
  std::int64_t step = 0;
  OracleCounts counts;

  static void visit(auto&& f, auto&... self) {
    f("now", self.now...);
    f("step", self.step...);
  }
};

/// The same of a loop whose direction is corrected by how samples of it change from point to point.
template <Tree X, Tree Y>
struct CorrectedState {
  Variables<X, Y> now, before, direction;
  std::int64_t step = 0;
  OracleCounts counts;

  static void visit(auto&& f, auto&... self) {
    f("now", self.now...);
    f("before", self.before...);
    f("direction", self.direction...);
    f("step", self.step...);
  }
};

}  // namespace tenzo::bilevel

namespace tenzo {

template <class W, class X, class Y>
struct Rebind<W, bilevel::Variables<X, Y>> {
  using type = bilevel::Variables<rebind_t<W, X>, rebind_t<W, Y>>;
};
namespace detail {
template <class X, class Y>
struct LeafType<bilevel::Variables<X, Y>> : LeafType<X> {};
}  // namespace detail

}  // namespace tenzo

namespace tenzo::bilevel {

/// Step sizes of step t = 0, 1, …: `lower` of y and `linear` of v over (t + 1)^lower_decay, `upper` of x over
/// (t + 1)^upper_decay. Benchmarks give `lower` and the ratio lower / upper.
struct StepSizes {
  double lower = 0.1, linear = 0.1, upper = 0.1;
  double lower_decay = 0, upper_decay = 0;

  StepSizes at(std::int64_t t) const {
    const double a = std::pow(double(t + 1), -lower_decay), b = std::pow(double(t + 1), -upper_decay);
    return {lower * a, linear * a, upper * b, 0, 0};
  }
};

/// The five terms of the directions, each a sample or a mean.
template <Tree X, Tree Y>
struct Terms {
  Y gradient;  // ∇_y g
  Y hessian;   // H v
  X cross;     // M v
  Y upper_y;   // ∇_y f
  X upper_x;   // ∇_x f

  static void visit(auto&& f, auto&... self) {
    f("gradient", self.gradient...);
    f("hessian", self.hessian...);
    f("cross", self.cross...);
    f("upper_y", self.upper_y...);
    f("upper_x", self.upper_x...);
  }
};

/// D_y, D_v, D_x of the five terms, whose memory they take.
template <Tree X, Tree Y>
Variables<X, Y> directions(Terms<X, Y> t) {
  Variables<X, Y> d{std::move(t.gradient), std::move(t.hessian), std::move(t.cross)};
  own_leaves_(d);
  axpy_(1, t.upper_y, d.v);
  axpy_(1, t.upper_x, d.x);
  return d;
}

/// A batched problem's derivatives at plain points, counted by batch.
template <BatchedProblem S>
class BatchOracle {
 public:
  explicit BatchOracle(const S& sum, const OracleCounts& before = {}) : counts(before), sum_(sum) {
    require(sum.upper_batches > 0 && sum.lower_batches > 0, "stochastic: ", sum.upper_batches, " upper and ",
            sum.lower_batches, " lower batches; want at least 1 of each");
  }

  const S& sum() const { return sum_; }
  OracleCounts counts;

  template <Tree X, Tree Y>
  Y gradient(const X& x, const Y& y, std::int64_t i) {
    return ask(i, 0, [&](auto& o) { return o.lower_gradient(x, y); });
  }
  template <Tree X, Tree Y>
  Y hessian(const X& x, const Y& y, const Y& u, std::int64_t i) {
    return ask(i, 0, [&](auto& o) { return o.hessian_product(x, y, u); });
  }
  template <Tree X, Tree Y>
  X cross(const X& x, const Y& y, const Y& u, std::int64_t i) {
    return ask(i, 0, [&](auto& o) { return o.cross_product(x, y, u); });
  }
  template <Tree X, Tree Y>
  UpperGradients<X, Y> upper(const X& x, const Y& y, std::int64_t j) {
    return ask(0, j, [&](auto& o) { return o.upper_gradients(x, y); });
  }
  /// g, ∇_x g, ∇_y g.
  template <Tree X, Tree Y>
  UpperGradients<X, Y> lower(const X& x, const Y& y, std::int64_t i) {
    return ask(i, 0, [&](auto& o) { return o.lower_gradients(x, y); });
  }

  /// The terms of g at a point, each of its own batch.
  template <Tree X, Tree Y>
  void lower_terms(const Variables<X, Y>& at, std::int64_t of_gradient, std::int64_t of_hessian, std::int64_t of_cross,
                   Terms<X, Y>& to) {
    to.gradient = gradient(at.x, at.y, of_gradient);
    if (of_hessian == of_cross) {
      auto both = ask(of_hessian, 0, [&](auto& o) { return o.second_products(at.x, at.y, at.v); });
      to.cross = std::move(both.first), to.hessian = std::move(both.second);
    } else {
      to.hessian = hessian(at.x, at.y, at.v, of_hessian);
      to.cross = cross(at.x, at.y, at.v, of_cross);
    }
  }
  template <Tree X, Tree Y>
  void upper_terms(const Variables<X, Y>& at, std::int64_t j, Terms<X, Y>& to) {
    auto f = upper(at.x, at.y, j);
    to.upper_x = std::move(f.x), to.upper_y = std::move(f.y);
  }
  /// All terms of one draw.
  template <Tree X, Tree Y>
  Terms<X, Y> terms(const Variables<X, Y>& at, const BatchDraw& d) {
    Terms<X, Y> t;
    lower_terms(at, d.gradient(), d.hessian(), d.cross(), t);
    upper_terms(at, d.upper(), t);
    return t;
  }
  /// The means of all terms over all batches; see_lower(i, terms) and see_upper(j, terms) get those of each batch.
  template <Tree X, Tree Y, class Lower, class Upper>
  Terms<X, Y> mean_terms(const Variables<X, Y>& at, Lower&& see_lower, Upper&& see_upper) {
    Terms<X, Y> mean{zeros_like(at.y), zeros_like(at.y), zeros_like(at.x), zeros_like(at.y), zeros_like(at.x)}, t;
    const double n = double(sum_.lower_batches), m = double(sum_.upper_batches);
    for (std::int64_t i = 0; i < sum_.lower_batches; ++i) {
      lower_terms(at, i, i, i, t);
      axpy_(1 / n, t.gradient, mean.gradient);
      axpy_(1 / n, t.hessian, mean.hessian);
      axpy_(1 / n, t.cross, mean.cross);
      see_lower(i, t);
    }
    for (std::int64_t j = 0; j < sum_.upper_batches; ++j) {
      upper_terms(at, j, t);
      axpy_(1 / m, t.upper_y, mean.upper_y);
      axpy_(1 / m, t.upper_x, mean.upper_x);
      see_upper(j, t);
    }
    return mean;
  }
  template <Tree X, Tree Y>
  Terms<X, Y> mean_terms(const Variables<X, Y>& at) {
    const auto nothing = [](std::int64_t, const Terms<X, Y>&) {};
    return mean_terms(at, nothing, nothing);
  }

 private:
  template <class Ask>
  auto ask(std::int64_t i, std::int64_t j, Ask&& f) {
    const auto problem = sum_.at(i, j);
    Oracle oracle(problem);
    oracle.counts = counts;
    auto answer = f(oracle);
    counts = oracle.counts;
    return answer;
  }

  const S& sum_;
};

/// Where all solvers begin: x and y put into their sets, v = 0 unless it is given.
template <class S, Tree X, Tree Y>
Variables<X, Y> begin_at(const S& sum, const X& x, const Y& y, const Y& v = {}) {
  return {clone(sum.lower_set.project(y).point), has_leaves(v) ? clone(v) : zeros_like(y),
          clone(sum.upper_set.project(x).point)};
}

/// y ← Π_C(y − step D_y); returns the face where it lands.
template <class S, Tree Y>
Face<Y> advance_lower_(const S& sum, Y& y, const Y& direction, double step) {
  axpy_(-step, direction, y);
  auto p = sum.lower_set.project(y);
  y = std::move(p.point);
  own_leaves_(y);
  return std::move(p.face);
}
/// x ← Π_X(x − step D_x).
template <class S, Tree X>
void advance_upper_(const S& sum, X& x, const X& direction, double step) {
  axpy_(-step, direction, x);
  x = sum.upper_set.project(x).point;
  own_leaves_(x);
}
/// v ← v − step D_v, the part along the face, cut to a ball: a polyhedral lower set leaves H v = −∇_y f to be solved
/// along the face of y, and v there is what M multiplies.
template <Tree Y>
void advance_linear_(Y& v, const Y& direction, double step, const Face<Y>& face,
                     double radius = std::numeric_limits<double>::infinity()) {
  axpy_(-step, direction, v);
  v = face.along(v);
  own_leaves_(v);
  if (const double size = norm(v); size > radius) scale_(v, radius / size);
}

/// All three, from directions of the same old state.
template <class S, Tree X, Tree Y>
void advance_(const S& sum, Variables<X, Y>& now, const Variables<X, Y>& d, const StepSizes& steps,
              double linear_radius = std::numeric_limits<double>::infinity()) {
  const Face<Y> face = advance_lower_(sum, now.y, d.y, steps.lower);
  advance_linear_(now.v, d.v, steps.linear, face, linear_radius);
  advance_upper_(sum, now.x, d.x, steps.upper);
}

}  // namespace tenzo::bilevel
