// SABA: SOBA with SAGA's tables for each of the five terms, so that constant steps converge.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tenzo/bilevel/stochastic/directions.hpp"

namespace tenzo::bilevel {

/// The last value of a term for each batch, and the mean of these values.
template <Tree T>
struct SagaTable {
  std::vector<T> last;
  T mean;

  static void visit(auto&& f, auto&... self) {
    f("last", self.last...);
    f("mean", self.mean...);
  }

  /// d − last[i] + mean, whose mean over i is that of d; then last[i] is d.
  T exchange_(std::int64_t i, T d) {
    T& old = last[std::size_t(i)];
    T out = clone(d);
    axpy_(-1, old, out);  // d − last[i]
    T change = clone(out);
    axpy_(1, mean, out);
    axpy_(1 / double(last.size()), change, mean);
    old = std::move(d);
    return out;
  }
};

/// SOBA's step along directions whose variance goes to zero as the iterates converge.
///   Memory  n tables of 2 q + p numbers and m of q + p: n lower batches, m upper ones.
///   Cost    `begin` looks at all batches once. A step costs what SOBA's costs.
///   Rate    N^{2/3} / t for ‖∇F‖², linear where F has a growing gradient (Polyak-Łojasiewicz).
///   Source  Dagréou et al. 2022, algorithm 3.
struct Saba {
  StepSizes steps{};
  double linear_radius = std::numeric_limits<double>::infinity();
  Sampling sampling = Sampling::independent;
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  struct State {
    Variables<X, Y> now;
    SagaTable<Y> gradient, hessian, upper_y;
    SagaTable<X> cross, upper_x;
    std::int64_t step = 0;
    OracleCounts counts;

    static void visit(auto&& f, auto&... self) {
      f("now", self.now...);
      f("gradient", self.gradient...);
      f("hessian", self.hessian...);
      f("upper_y", self.upper_y...);
      f("cross", self.cross...);
      f("upper_x", self.upper_x...);
      f("step", self.step...);
    }
  };

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y, const Y& v = {}) const {
    State<X, Y> s;
    s.now = begin_at(sum, x, y, v);
    BatchOracle oracle(sum);
    Terms<X, Y> mean = oracle.mean_terms(
        s.now,
        [&](std::int64_t, const Terms<X, Y>& t) {
          s.gradient.last.push_back(t.gradient);
          s.hessian.last.push_back(t.hessian);
          s.cross.last.push_back(t.cross);
        },
        [&](std::int64_t, const Terms<X, Y>& t) {
          s.upper_y.last.push_back(t.upper_y);
          s.upper_x.last.push_back(t.upper_x);
        });
    s.gradient.mean = std::move(mean.gradient);
    s.hessian.mean = std::move(mean.hessian);
    s.cross.mean = std::move(mean.cross);
    s.upper_y.mean = std::move(mean.upper_y);
    s.upper_x.mean = std::move(mean.upper_x);
    s.counts = oracle.counts;
    return s;
  }

  /// The directions of a draw, with the tables brought up to date.
  template <BatchedProblem S, Tree X, Tree Y>
  Variables<X, Y> directions_(State<X, Y>& s, const S& sum, const BatchDraw& draw) const {
    BatchOracle oracle(sum, s.counts);
    Terms<X, Y> t = oracle.terms(s.now, draw);
    s.counts = oracle.counts;
    return directions(Terms<X, Y>{s.gradient.exchange_(draw.gradient(), std::move(t.gradient)),
                                  s.hessian.exchange_(draw.hessian(), std::move(t.hessian)),
                                  s.cross.exchange_(draw.cross(), std::move(t.cross)),
                                  s.upper_y.exchange_(draw.upper(), std::move(t.upper_y)),
                                  s.upper_x.exchange_(draw.upper(), std::move(t.upper_x))});
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    const auto d = directions_(s, sum, BatchDraw(sum, seed, s.step, 0, sampling));
    advance_(sum, s.now, d, steps.at(s.step), linear_radius);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
