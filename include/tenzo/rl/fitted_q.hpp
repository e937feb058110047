// The algorithm of the analysis on finite processes: in the limit of infinitely many samples, and with N of them.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/optim/levenberg_marquardt.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/exploration.hpp"
#include "tenzo/rl/realizable.hpp"

namespace tenzo::rl {

/// An outer iteration: W → argmin_V Σ μ(s, a) (Q(s, a; V) − (T Q(·; W))(s, a))², begun at W, with μ stationary under
/// the ε-greedy policy of W.
struct PopulationQ {
  LevenbergMarquardt inner{.damping = 1e-6};  // next to none: the minimum is what is wanted, not the way to it
  std::int64_t inner_steps = 12;

  Eigen::VectorXd step(const RealizableMdp& m, const Eigen::VectorXd& w, double epsilon) const {
    const Eigen::VectorXd q = m.values(w), goal = bellman(m.mdp, q);
    const Eigen::VectorXd root = stationary(m.mdp, epsilon_greedy(q, m.mdp.actions, epsilon)).cwiseSqrt();
    LevenbergMarquardt::State state;
    Eigen::VectorXd v = w;
    for (std::int64_t i = 0; i < inner_steps && !state.stuck; ++i)
      inner.step(state, v, [&](const Eigen::VectorXd& at) {
        Residuals r;
        r.value = root.cwiseProduct(m.network.differentiate(at, m.features, r.jacobian) - goal);
        r.jacobian = root.asDiagonal() * r.jacobian;
        return r;
      });
    return v;
  }
};

/// An outer iteration on N transitions of the ε-greedy policy: M steps of minibatch gradient descent with heavy ball,
///   V ← β V − η/b Σ (Q(s, a; W) − y) ∇Q(s, a; W),  y = r + γ max Q(s', ·; W₀),  W ← W + V.
///   Source  Zhang et al. 2023, the structure of algorithm 1
struct SampledQ {
  std::int64_t transitions = 1000, inner_steps = 1500, batch = 32;
  double rate = 0.1, momentum = 0.9;
  double first_cut = 0.6, second_cut = 0.85;  // shares of the steps after which the rate is x 0.2, x 0.04

  struct State {
    Eigen::VectorXd weights;
    std::int64_t step = 0;
    std::int64_t at = 0;  // the state of the process
  };

  void step(State& s, const RealizableMdp& m, double epsilon, std::uint64_t seed) const {
    const std::int64_t actions = m.mdp.actions;
    const Eigen::VectorXd q = m.values(s.weights), best = state_values(q, actions);
    const auto greedy = greedy_policy(q, actions);
    std::vector<std::int64_t> pair;  // (s, a) of each transition
    std::vector<double> goal;
    for (std::int64_t i = 0; i < transitions; ++i) {
      const PhiloxBlock words = Draw{seed, std::uint32_t(s.step), std::uint32_t(i), Use::behaviour}.block();
      const std::int64_t action = unit<double>(words[0]) < epsilon
                                      ? std::int64_t(below(std::uint32_t(actions), words[1]))
                                      : std::int64_t(greedy[std::size_t(s.at)]);
      pair.push_back(s.at * actions + action);
      s.at = drawn(m.mdp, pair.back(), double(words[2]) * 0x1p-32);
      goal.push_back(m.mdp.reward[pair.back()] + m.mdp.gamma * best[s.at]);
    }
    Eigen::VectorXd w = s.weights, velocity = Eigen::VectorXd::Zero(w.size());
    Eigen::MatrixXd x(batch, m.features.cols()), slope;
    Eigen::VectorXd y(batch);
    for (std::int64_t k = 0; k < inner_steps; ++k) {
      PhiloxBlock words{};
      for (std::int64_t b = 0; b < batch; ++b) {
        if (b % 4 == 0)
          words = Draw{seed, std::uint32_t(s.step), std::uint32_t(k), Use::replay}.block(std::uint32_t(b / 4));
        const std::size_t row = below(std::uint32_t(transitions), words[std::size_t(b % 4)]);
        x.row(b) = m.features.row(pair[row]);
        y[b] = goal[row];
      }
      const Eigen::VectorXd error = m.network.differentiate(w, x, slope) - y;
      const double done = double(k) / double(inner_steps);
      const double now = rate * (done < first_cut ? 1 : done < second_cut ? 0.2 : 0.04);
      velocity = momentum * velocity - now / double(batch) * (slope.transpose() * error);
      w += velocity;
    }
    s.weights = std::move(w);
    ++s.step;
  }

 private:
  /// The successor at the share u of the probabilities.
  static std::int64_t drawn(const FiniteMdp& m, std::int64_t pair, double u) {
    for (std::int64_t s = 0; s < m.states; ++s) {
      u -= m.transition(pair, s);
      if (u < 0) return s;
    }
    return m.states - 1;
  }
};

/// Errors of Q along outer iterations, the first before any.
struct FittedCourse {
  std::vector<QError> error;
  Eigen::VectorXd weights;  // at the end
};

/// Runs up to T iterations with ε = exploration(t), until the largest error is below `enough`, or there is no number.
///   next(w, epsilon)  an outer iteration
template <class Next>
FittedCourse run_fitted(const RealizableMdp& m, Eigen::VectorXd w, const Exploration& exploration, std::int64_t T,
                        double enough, Next&& next) {
  const Eigen::VectorXd weights = stationary(m.mdp, epsilon_greedy(m.q, m.mdp.actions, 0));
  FittedCourse c;
  c.error.push_back(q_error(m.values(w), m.q, weights));
  for (std::int64_t t = 0; t < T && c.error.back().sup >= enough; ++t) {
    w = next(w, exploration(double(t)));
    c.error.push_back(q_error(m.values(w), m.q, weights));
    if (!std::isfinite(c.error.back().sup)) break;
  }
  c.weights = std::move(w);
  return c;
}

}  // namespace tenzo::rl
