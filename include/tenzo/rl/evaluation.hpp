// How good a policy is, apart from the behaviour that it is learnt with.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

/// The undiscounted returns of the first episode of each environment under a policy.
///   act(observations (n, size), to actions (n))
///   most  steps after which what is still running is cut off
template <Environment E, class Act>
std::vector<double> episode_returns(E& environment, Act&& act, std::int64_t most = 20000) {
  const auto n = std::size_t(environment.size());
  std::vector<double> total(n, 0.);
  std::vector<std::uint8_t> over(n, 0);
  std::vector<std::int32_t> actions(n, 0);
  std::size_t left = n;
  for (std::int64_t t = 0; t < most && left > 0; ++t) {
    act(environment.observation(), std::span<std::int32_t>(actions));
    const Transitions now = environment.step(actions);
    for (std::size_t i = 0; i < n; ++i) {
      if (over[i]) continue;
      total[i] += double(now.reward[i]);
      if (now.terminated[i] | now.truncated[i]) over[i] = 1, --left;
    }
  }
  return total;
}

/// Of the greedy policy of Q.
template <Environment E, class Q>
std::vector<double> greedy_returns(E& environment, Q& q, std::int64_t most = 20000) {
  const std::int32_t n = q.actions();
  std::vector<float> values(std::size_t(environment.size() * n));
  return episode_returns(
      environment,
      [&](std::span<const float> x, std::span<std::int32_t> to) {
        q.values(x, values);
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = best_action(values.data() + i * std::size_t(n), n);
      },
      most);
}

/// The same in so many environments made for it, side by side.
template <Dynamics D, class Act>
std::vector<double> episode_returns(const D& dynamics, std::int64_t episodes, std::uint64_t seed, Act&& act,
                                    std::int64_t most = 20000) {
  Batched<D> environment(episodes, dynamics, seed);
  return episode_returns(environment, act, most);
}
template <Dynamics D, class Q>
std::vector<double> greedy_returns(const D& dynamics, Q& q, std::int64_t episodes, std::uint64_t seed,
                                   std::int64_t most = 20000) {
  Batched<D> environment(episodes, dynamics, seed);
  return greedy_returns(environment, q, most);
}

}  // namespace tenzo::rl
