// L-BFGS: quasi-Newton minimisation of smooth functions of trees.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "tenzo/tree/algebra.hpp"

namespace tenzo {

/// Limited-memory BFGS with a line search for the weak Wolfe conditions.
///   Source  Liu, Nocedal 1989; the search is bisection as in Lewis, Overton 2013.
struct Lbfgs {
  std::int64_t history = 10;
  std::int64_t evaluations_of_search = 30;
  double decrease = 1e-4, curvature = 0.9;  // of the Wolfe conditions

  template <Tree Model>
  struct State {
    std::int64_t step = 0, evaluations = 0;
    double value = std::nan("");
    Model gradient;
    bool stuck = false;                         // the search found no lower point
    std::deque<std::pair<Model, Model>> pairs;  // (x' − x, g' − g), the newest last
  };

  /// One iteration. `f(x)` returns a value and a gradient: anything with members `value` (a number or a tensor of one)
  /// and `grad`.
  template <Tree Model, class F>
  void step(State<Model>& s, Model& x, F&& f) const {
    if (s.value != s.value) std::tie(s.value, s.gradient) = ask(f, x, s);
    ++s.step;
    Model d = direction(s);
    double slope = inner(d, s.gradient);
    if (!(slope < 0)) {  // rounding has spoiled the history
      s.pairs.clear();
      d = direction(s);
      slope = inner(d, s.gradient);
      if (!(slope < 0)) {
        s.stuck = true;
        return;
      }
    }
    double low = 0, high = INFINITY, t = s.pairs.empty() ? std::min(1.0, 1 / norm(s.gradient)) : 1;
    for (std::int64_t i = 0; i < evaluations_of_search; ++i) {
      Model at = clone(x);
      axpy_(t, d, at);
      auto [value, gradient] = ask(f, at, s);
      // at the end of what differences of values show, the slope decides
      const double noise = 1e-15 * std::max(1.0, std::abs(s.value));
      if (!(value <= s.value + decrease * t * slope + noise)) high = t;
      else if (inner(d, gradient) < curvature * slope) low = t;
      else {
        scale_(d, t);
        Model change = clone(gradient);
        axpy_(-1, s.gradient, change);
        if (inner(d, change) > 0) {
          s.pairs.emplace_back(std::move(d), std::move(change));
          if (std::int64_t(s.pairs.size()) > history) s.pairs.pop_front();
        }
        x = std::move(at);
        s.value = value;
        s.gradient = std::move(gradient);
        return;
      }
      t = std::isfinite(high) ? (low + high) / 2 : 2 * low;
    }
    s.stuck = true;
  }

 private:
  template <class F, Tree Model>
  static std::pair<double, Model> ask(F& f, const Model& x, State<Model>& s) {
    ++s.evaluations;
    auto r = f(x);
    if constexpr (requires { r.value.item(); }) return {double(r.value.item()), std::move(r.grad)};
    else return {double(r.value), std::move(r.grad)};
  }

  /// −H g by the two loops.
  template <Tree Model>
  static Model direction(const State<Model>& s) {
    Model d = clone(s.gradient);
    scale_(d, -1);
    std::vector<double> alpha;
    for (auto p = s.pairs.rbegin(); p != s.pairs.rend(); ++p) {
      alpha.push_back(inner(p->first, d) / inner(p->first, p->second));
      axpy_(-alpha.back(), p->second, d);
    }
    if (!s.pairs.empty()) {
      const auto& [change_x, change_g] = s.pairs.back();
      scale_(d, inner(change_x, change_g) / inner(change_g, change_g));
    }
    for (const auto& [change_x, change_g] : s.pairs) {
      axpy_(alpha.back() - inner(change_g, d) / inner(change_x, change_g), change_x, d);
      alpha.pop_back();
    }
    return d;
  }
};

}  // namespace tenzo
