// Q-learning with a number for each state and action.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/environment.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

/// Q(s, a) ← Q(s, a) + rate (r + γ max Q(s', ·) − Q(s, a)) with ε-greedy behaviour; all begin at zero.
///   Source  Watkins 1989
struct QTable {
  std::int64_t states = 0;
  std::int32_t actions = 0;
  double rate = 0.1, gamma = 0.99;
  std::vector<double> q;  // (states, actions)

  /// Throws ValueError for sizes and rates outside their domains.
  QTable(std::int64_t n, std::int32_t a, double step, double discount)
      : states(n), actions(a), rate(step), gamma(discount), q(std::size_t(n * a), 0.) {
    require(n >= 1 && a >= 1 && step > 0 && step <= 1 && discount >= 0 && discount <= 1, "q table: ", n, " states, ", a,
            " actions, rate ", step, ", gamma ", discount);
  }

  std::int32_t greedy(std::int64_t s) const { return best_action(q.data() + s * actions, actions); }
  void learn(std::int64_t s, std::int32_t a, double reward, bool terminated, std::int64_t next) {
    double& value = q[std::size_t(s * actions + a)];
    value += rate * (reward + (terminated ? 0 : gamma * q[std::size_t(next * actions + greedy(next))]) - value);
  }
};

/// One ε-greedy episode, learnt from step by step; returns its rewards' sum.
///   index(state)  the number of a state
///   episode       its number: names its random draws
template <Dynamics D, class Index>
double learn_episode(QTable& table, const D& dynamics, Index&& index, double epsilon, std::uint64_t seed,
                     std::uint32_t episode, std::int64_t most = 10000) {
  typename D::State s{};
  dynamics.reset(s, {seed, episode, 0, Use::reset});
  double total = 0;
  for (std::int64_t t = 0; t < most; ++t) {
    const PhiloxBlock words = Draw{seed, episode, std::uint32_t(t), Use::behaviour}.block();
    const std::int64_t at = index(s);
    const std::int32_t a = unit<double>(words[0]) < epsilon
                               ? std::int32_t(below(std::uint32_t(table.actions), words[1]))
                               : table.greedy(at);
    const Moved m = dynamics.step(s, a, {seed, episode, std::uint32_t(t), Use::dynamics});
    total += double(m.reward);
    table.learn(at, a, double(m.reward), m.terminated, m.terminated ? 0 : index(s));
    if (m.terminated) break;
  }
  return total;
}

}  // namespace tenzo::rl
