// Stochastic F²SA and F²SA-p: first derivatives of batches alone, differences of any order in ν.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/bilevel/stencil.hpp"
#include "tenzo/bilevel/stochastic/directions.hpp"

namespace tenzo::bilevel {

/// K times y_j ← Π(y_j − ρ_t (∇_y g_i + jν_t ∇_y f_k)) for the nodes j of `central_stencil(order)`; then with new
/// batches
///   h = Σ_j w_j [jν_t ∇_x f_k(x, y_j) + ∇_x g_i(x, y_j)] / ν_t,   x ← Π(x − κ_t h).
/// ρ and κ are `steps.lower` and `steps.upper`, ν_t = ν / (t + 1)^nu_decay.
///   order        1 is F²SA, whose λ is 1/ν and whose z and y are the points of the nodes 0 and 1
///   Batches      all nodes see the same ones: what they have in common of the noise is not divided by ν
///   rounds       h is the mean over so many draws
///   normalised   h / ‖h‖ instead of h, as in the paper
///   Wants        jν L_f < μ_g at the lowest node −j.
///   Bias         O(ν^order) of h at the minima.
///   Cost         (K + rounds) gradients of g a node, and as many of f but for the node 0.
///   Rate         Õ(ε⁻⁶) samples for ‖∇F‖ ≤ ε at order 1, Õ(p ε^{−4−2/p}) at order p.
///   Source  Kwon, Kwon, Wright, Nowak 2023 (F²SA); arXiv 2509.02937 (F²SA-p).
struct StochasticF2sa {
  StepSizes steps{.lower_decay = 0.5, .upper_decay = 0.5};
  double nu = 0.1, nu_decay = 0;
  int order = 2;
  std::int64_t inner = 10, rounds = 1;
  bool normalised = false;
  std::uint64_t seed = 1;

  template <Tree X, Tree Y>
  struct State {
    X x;
    std::vector<Y> points;  // by node
    std::int64_t step = 0;
    OracleCounts counts;

    static void visit(auto&& f, auto&... self) {
      f("x", self.x...);
      f("points", self.points...);
      f("step", self.step...);
    }
  };

  template <BatchedProblem S, Tree X, Tree Y>
  State<X, Y> begin(const S& sum, const X& x, const Y& y) const {
    require(nu > 0 && nu_decay >= 0, "stochastic f2sa: nu is ", nu, ", falling by the power ", nu_decay,
            "; want a positive number, and no negative power");
    require(inner >= 0 && rounds > 0, "stochastic f2sa: ", inner, " inner steps, ", rounds,
            " rounds; want no negative number, and at least 1");
    State<X, Y> s{clone(sum.upper_set.project(x).point), {}, 0, {}};
    for (std::size_t j = 0; j < central_stencil(order).nodes.size(); ++j)
      s.points.push_back(clone(sum.lower_set.project(y).point));
    return s;
  }

  /// h at the state's x, after the inner steps; x stays.
  template <BatchedProblem S, Tree X, Tree Y>
  X gradient_(State<X, Y>& s, const S& sum) const {
    BatchOracle oracle(sum, s.counts);
    const Stencil stencil = central_stencil(order);
    const double rate = steps.at(s.step).lower, width = nu * std::pow(double(s.step + 1), -nu_decay);
    std::int64_t round = 0;
    for (; round < inner; ++round) {
      const BatchDraw draw(sum, seed, s.step, round);
      for (std::size_t j = 0; j < s.points.size(); ++j) {
        Y d = oracle.gradient(s.x, s.points[j], draw.gradient());
        if (const int node = stencil.nodes[j]; node != 0)
          axpy_(node * width, oracle.upper(s.x, s.points[j], draw.upper()).y, d);
        advance_lower_(sum, s.points[j], d, rate);
      }
    }
    X h = zeros_like(s.x);
    for (; round < inner + rounds; ++round) {
      const BatchDraw draw(sum, seed, s.step, round);
      for (std::size_t j = 0; j < s.points.size(); ++j) {
        const double weight = stencil.weights[j] / double(rounds);
        axpy_(weight / width, oracle.lower(s.x, s.points[j], draw.gradient()).x, h);
        if (const int node = stencil.nodes[j]; node != 0)
          axpy_(weight * node, oracle.upper(s.x, s.points[j], draw.upper()).x, h);
      }
    }
    s.counts = oracle.counts;
    return h;
  }

  template <BatchedProblem S, Tree X, Tree Y>
  void step(State<X, Y>& s, const S& sum) const {
    const X h = gradient_(s, sum);
    double rate = steps.at(s.step).upper;
    if (const double size = norm(h); normalised && size > 0) rate /= size;
    advance_upper_(sum, s.x, h, rate);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
