// What first-order bi-level solvers have in common: projected steps, decreasing rates, the descent on g + ν f.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::bilevel {

/// rate / (k + 1)^exponent at step k; a negative exponent grows.
struct Power {
  double rate = 0.1, exponent = 0;

  double at(std::int64_t k) const { return exponent == 0 ? rate : rate / std::pow(double(k + 1), exponent); }
};

/// From one value to another in equal steps, then constant.
struct Ramp {
  double from = 1, to = 1;
  std::int64_t steps = 0;

  double at(std::int64_t k) const { return k >= steps ? to : from + (to - from) * double(k) / double(steps); }
};

namespace detail {

/// x ← Π(x − rate · d) in place. Elements that a copy of the state shares stay as they are.
template <class Set, Tree X>
void projected_step_(const Set& set, double rate, const X& d, X& x) {
  own_leaves_(x);
  axpy_(-rate, d, x);
  if constexpr (!unbounded<Set>) x = set.project(x).point;
}

/// x − Π(x − d): zero where x is stationary for the gradient d on the set, and d itself without constraints.
template <class Set, Tree X>
X stationarity(const Set& set, const X& x, const X& d) {
  if constexpr (unbounded<Set>) {
    return d;
  } else {
    X moved = clone(x);
    axpy_(-1, d, moved);
    X r = clone(x);
    axpy_(-1, set.project(moved).point, r);
    return r;
  }
}

/// Adds what an oracle is asked within a scope to the counts of a state.
template <class P>
class Counting {
 public:
  Counting(const Oracle<P>& oracle, OracleCounts& into) : oracle_(oracle), into_(into), before_(oracle.counts) {}
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  ~Counting() { into_ = into_ - (before_ - oracle_.counts); }

 private:
  const Oracle<P>& oracle_;
  OracleCounts& into_;
  const OracleCounts before_;
};

/// T steps y ← Π(y − lr ∇_y g(x, y)) in place.
template <class P, Tree X, Tree Y>
void descend_lower_(Oracle<P>& oracle, const X& x, std::int64_t steps, double lr, Y& y) {
  for (std::int64_t t = 0; t < steps; ++t)
    projected_step_(oracle.problem().lower_set, lr, oracle.lower_gradient(x, y), y);
}

}  // namespace detail

/// Minimises g(x, ·) + ν f(x, ·) over the lower set by projected gradient descent, from `start`: until the projected
/// gradient is at most `tolerance`, or for `steps` steps.
///   nu   may be negative; at zero f is not asked
struct PenaltyDescent {
  std::int64_t steps = 100;
  double lr = 0.1;
  double tolerance = 0;

  template <class P, Tree X, Tree Y>
  Y operator()(Oracle<P>& oracle, const X& x, double nu, const Y& start) const {
    require(steps >= 0 && lr > 0, "penalty descent: ", steps, " steps of ", lr);
    Y y = clone(start);
    const auto& set = oracle.problem().lower_set;
    for (std::int64_t t = 0; t < steps; ++t) {
      Y d = oracle.lower_gradient(x, y);
      if (nu != 0) axpy_(nu, oracle.upper_gradients(x, y).y, d);
      if (tolerance > 0 && norm(detail::stationarity(set, y, d)) <= tolerance) break;
      detail::projected_step_(set, lr, d, y);
    }
    return y;
  }
};

}  // namespace tenzo::bilevel
