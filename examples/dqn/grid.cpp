// Grids, where everything is known: E5.
#include <algorithm>
#include <cmath>

#include "study.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/environments/deep_sea.hpp"
#include "tenzo/rl/finite_mdp.hpp"
#include "tenzo/rl/q_table.hpp"
#include "tenzo/stats/bootstrap.hpp"

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

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return quantile_of_sorted(x, 0.5);
}

}  // namespace

std::vector<CliffRun> cliff_runs(std::uint64_t seed, const std::vector<double>& epsilons) {
  const Cliff cliff;
  const double gamma = 1;
  const auto index = [](const Cliff::State& s) { return std::int64_t(s[0]); };
  const FiniteMdp m = process_of(
      cliff, 48, gamma, [](std::int64_t s) { return Cliff::State{std::int32_t(s)}; }, index);
  FiniteMdp known = m;  // the goal is left by nobody
  for (std::int32_t a = 0; a < 4; ++a)
    known.transition.row(Cliff::goal * 4 + a).setZero(), known.reward[Cliff::goal * 4 + a] = 0;
  const Eigen::VectorXd right = optimal_q(known);
  std::vector<CliffRun> out;
  for (const double epsilon : epsilons) {
    QTable table(48, 4, 0.5, gamma);
    std::vector<double> totals;
    for (std::uint32_t e = 0; e < 2000; ++e) totals.push_back(learn_episode(table, cliff, index, epsilon, seed, e));
    CliffRun r{epsilon, 0, mean_of(std::span(totals).last(100)), 0};
    Cliff::State s{Cliff::start};
    for (int t = 0; t < 200; ++t) {
      const Moved moved = cliff.step(s, table.greedy(s[0]), {});
      r.greedy += double(moved.reward);
      if (moved.terminated) break;
    }
    for (std::int64_t i = 0; i < 48 * 4; ++i) {  // of states that there are: not the cliff, not the goal
      const std::int64_t cell = i / 4;
      if (cell > Cliff::start) continue;
      r.error = std::max(r.error, std::abs(table.q[std::size_t(i)] - right[i]) / right.cwiseAbs().maxCoeff());
    }
    out.push_back(r);
  }
  return out;
}

std::vector<SeaRun> sea_runs(std::uint64_t seed, int least, int most, int runs, std::int64_t give_up) {
  std::vector<SeaRun> out(std::size_t(most - least + 1));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto k = std::size_t(from); k < std::size_t(to); ++k) {
      SeaRun& r = out[k];
      r.side = least + int(k);
      const DeepSea sea{.side = r.side, .map = seed};
      const auto index = [n = r.side](const DeepSea::State& s) { return std::int64_t(s[0]) * n + s[1]; };
      const FiniteMdp m = process_of(
          sea, std::int64_t(r.side) * r.side, 1,
          [n = r.side](std::int64_t i) {
            return DeepSea::State{std::int32_t(i / n), std::int32_t(i % n)};
          },
          index);
      r.q_star = state_values(optimal_q(m), 2)[0];
      const auto first = [&](double epsilon, bool learns, std::uint64_t number, std::int64_t patience) {
        QTable table(sea.observation_size(), 2, 0.5, 0.99);
        for (std::int64_t e = 1; e <= patience; ++e) {
          if (learn_episode(table, sea, index, epsilon, number, std::uint32_t(e)) > 0.5) return double(e);
          if (!learns) std::ranges::fill(table.q, 0.0);
        }
        return double(patience);
      };
      std::vector<double> uniform, learning;
      for (int i = 0; i < runs; ++i) {
        const std::uint64_t number = 100000 * seed + 1000 * std::uint64_t(r.side) + std::uint64_t(i);
        uniform.push_back(first(1, false, number, std::int64_t(200) << r.side));
        if (r.side <= 8 && i < 15) learning.push_back(first(0.1, true, number, give_up));
      }
      std::ranges::sort(uniform);
      r.uniform = median(uniform);
      r.least = quantile_of_sorted(uniform, 0.25), r.most = quantile_of_sorted(uniform, 0.75);
      if (!learning.empty()) r.learning = median(learning), r.censored = r.learning >= double(give_up);
    }
  });
  return out;
}

}  // namespace dqn
