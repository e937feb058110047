// Grids, where everything is known: E5.
#include <algorithm>
#include <cmath>
#include <span>

#include "study.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/environments/deep_sea.hpp"
#include "tenzo/rl/finite_mdp.hpp"
#include "tenzo/rl/q_table.hpp"
#include "tenzo/stats/interval.hpp"

namespace dqn {

using namespace tenzo;
using namespace tenzo::rl;

namespace {

/// Deterministic dynamics as a finite process.   state(i)  the i-th state
template <class D, class At, class Index>
FiniteMdp process_of(const D& dynamics, std::int64_t states, double gamma, At&& state, Index&& index) {
  FiniteMdp m;
  m.states = states, m.actions = dynamics.actions(), m.gamma = gamma;
  m.transition = Eigen::MatrixXd::Zero(m.pairs(), states);
  m.reward = Eigen::VectorXd::Zero(m.pairs());
  for (std::int64_t s = 0; s < states; ++s)
    for (std::int32_t a = 0; a < dynamics.actions(); ++a) {
      auto now = state(s);
      const Moved moved = dynamics.step(now, a, {});
      m.reward[s * m.actions + a] = double(moved.reward);
      if (!moved.terminated) m.transition(s * m.actions + a, index(now)) = 1;
    }
  return m;
}

/// What the greedy policy of a table returns from the start, in 200 steps at most.
template <class D, class Index>
double greedy_return(const QTable& table, const D& dynamics, Index&& index) {
  typename D::State s{};
  dynamics.reset(s, {});
  double total = 0;
  for (int t = 0; t < 200; ++t) {
    const Moved moved = dynamics.step(s, table.greedy(index(s)), {});
    total += double(moved.reward);
    if (moved.terminated) break;
  }
  return total;
}

}  // namespace

std::vector<CliffRun> cliff_runs(std::uint64_t seed, const std::vector<double>& epsilons, int runs) {
  const Cliff cliff;
  const double gamma = 1;
  const auto index = [](const Cliff::State& s) { return std::int64_t(s[0]); };
  FiniteMdp m = process_of(
      cliff, 48, gamma, [](std::int64_t s) { return Cliff::State{std::int32_t(s)}; }, index);
  for (std::int32_t a = 0; a < 4; ++a)  // the goal is left by nobody
    m.transition.row(Cliff::goal * 4 + a).setZero(), m.reward[Cliff::goal * 4 + a] = 0;
  const Eigen::VectorXd right = optimal_q(m);
  std::vector<CliffRun> out(epsilons.size() * std::size_t(runs));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto k = std::size_t(from); k < std::size_t(to); ++k) {
      CliffRun& r = out[k];
      r.epsilon = epsilons[k / std::size_t(runs)], r.seed = seed + k % std::size_t(runs);
      QTable table(48, 4, 0.5, gamma);
      const double first = greedy_return(table, cliff, index);
      std::vector<double> totals;
      for (std::uint32_t e = 0; e < 2000; ++e)
        totals.push_back(learn_episode(table, cliff, index, r.epsilon, r.seed, e));
      r.behaviour = mean_of(std::span(totals).last(100));
      r.greedy = greedy_return(table, cliff, index);
      r.worse = r.greedy < first;
      r.error = 0;
      for (std::int64_t i = 0; i <= Cliff::start * 4 + 3; ++i)  // states that there are: not the cliff, not the goal
        r.error = std::max(r.error, std::abs(table.q[std::size_t(i)] - right[i]) / right.cwiseAbs().maxCoeff());
    }
  });
  return out;
}

std::vector<SeaRun> sea_runs(std::uint64_t seed, int least, int most, int runs, int learners, std::int64_t patience) {
  std::vector<SeaRun> out(std::size_t(most - least + 1));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto k = std::size_t(from); k < std::size_t(to); ++k) {
      SeaRun& r = out[k];
      r.side = least + int(k), r.patience = patience;
      const DeepSea sea{.side = r.side, .map = seed};
      const auto index = [n = r.side](const DeepSea::State& s) { return std::int64_t(s[0]) * n + s[1]; };
      const FiniteMdp m = process_of(
          sea, std::int64_t(r.side) * r.side, 1,
          [n = r.side](std::int64_t i) {
            return DeepSea::State{std::int32_t(i / n), std::int32_t(i % n)};
          },
          index);
      r.q_star = state_values(optimal_q(m), 2)[0];
      const QTable blank(sea.observation_size(), 2, 0.5, 0.99);
      const auto number = [&](int i) { return 100000 * seed + 1000 * std::uint64_t(r.side) + std::uint64_t(i); };
      const auto found = [&](QTable& table, double epsilon, int i, std::int64_t e) {
        return learn_episode(table, sea, index, epsilon, number(i), std::uint32_t(e)) > 0.5;
      };
      for (int i = 0; i < runs; ++i) {
        std::int64_t e = 0;
        bool over = false;
        while (!over) {
          QTable table = blank;  // nothing is learnt
          over = found(table, 1, i, ++e) || e >= std::int64_t(200) << r.side;
        }
        r.uniform.push_back(double(e));
      }
      if (r.side > 8) continue;
      for (int i = 0; i < learners; ++i) {
        QTable table = blank;
        std::int64_t e = 0;
        bool treasure = false;
        while (!treasure && e < patience) treasure = found(table, 0.1, i, ++e);
        r.learning.push_back(double(e));
        r.censored += !treasure;
        r.worse += greedy_return(table, sea, index) < greedy_return(blank, sea, index);
      }
    }
  });
  return out;
}

}  // namespace dqn
