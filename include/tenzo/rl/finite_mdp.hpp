// Markov decision processes of a few hundred states, all of whose numbers can be had exactly.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::rl {

/// Functions of state and action are vectors of states · actions numbers, (s, a) at s · actions + a.
struct FiniteMdp {
  std::int64_t states = 0, actions = 0;
  double gamma = 0.9;
  Eigen::MatrixXd transition;  // (states · actions, states): P(s' | s, a), rows sum to 1, or to 0 behind the end
  Eigen::VectorXd reward;      // (states · actions)

  std::int64_t pairs() const { return states * actions; }

  /// Throws ShapeError, ValueError where this is no process.
  void check() const {
    expect(states >= 1 && actions >= 1 && transition.rows() == pairs() && transition.cols() == states &&
               reward.size() == pairs(),
           "mdp: ", states, " states, ", actions, " actions, transitions (", transition.rows(), ", ", transition.cols(),
           "), ", reward.size(), " rewards");
    require(gamma >= 0 && gamma <= 1, "mdp: gamma ", gamma, "; want 0 to 1");
    require(transition.minCoeff() >= 0 && reward.allFinite(), "mdp: a probability below zero, or an infinite reward");
    for (std::int64_t i = 0; i < pairs(); ++i) {
      const double sum = transition.row(i).sum();
      require(std::abs(sum - 1) < 1e-9 || sum == 0, "mdp: the probabilities of row ", i, " sum to ", sum);
    }
  }
};

/// max_a q(s, a): (states).
inline Eigen::VectorXd state_values(const Eigen::VectorXd& q, std::int64_t actions) {
  return Eigen::Map<const Eigen::MatrixXd>(q.data(), actions, q.size() / actions).colwise().maxCoeff();
}

/// argmax_a q(s, a), of equal ones the first: (states).
inline std::vector<std::int32_t> greedy_policy(const Eigen::VectorXd& q, std::int64_t actions) {
  std::vector<std::int32_t> best;
  for (std::int64_t s = 0; s < q.size() / actions; ++s) {
    const double* const row = q.data() + s * actions;
    best.push_back(std::int32_t(std::max_element(row, row + actions) - row));
  }
  return best;
}

/// The optimality operator: (T q)(s, a) = r(s, a) + γ Σ_s' P(s' | s, a) max_a' q(s', a').
inline Eigen::VectorXd bellman(const FiniteMdp& m, const Eigen::VectorXd& q) {
  return m.reward + m.gamma * (m.transition * state_values(q, m.actions));
}

/// max |T q − q|: the distance to the optimal q is at most this / (1 − γ).
inline double bellman_residual(const FiniteMdp& m, const Eigen::VectorXd& q) {
  return (bellman(m, q) - q).cwiseAbs().maxCoeff();
}

/// Q* by value iteration.   Throws ValueError where `most` sweeps leave a residual above the tolerance.
inline Eigen::VectorXd optimal_q(const FiniteMdp& m, double tolerance = 1e-13, std::int64_t most = 100000) {
  Eigen::VectorXd q = Eigen::VectorXd::Zero(m.pairs());
  for (std::int64_t i = 0; i < most; ++i) {
    const Eigen::VectorXd next = bellman(m, q);
    const double change = (next - q).cwiseAbs().maxCoeff();
    q = next;
    if (change <= tolerance * std::max(1.0, q.cwiseAbs().maxCoeff())) return q;
  }
  throw ValueError(cat("mdp: value iteration has not ended after ", most, " sweeps"));
}

/// The smallest difference of the best and the second best action's value.
inline double action_gap(const Eigen::VectorXd& q, std::int64_t actions) {
  double gap = INFINITY;
  for (std::int64_t s = 0; s < q.size() / actions; ++s) {
    std::vector<double> row(q.data() + s * actions, q.data() + (s + 1) * actions);
    std::ranges::sort(row, std::greater<>());
    if (row.size() > 1) gap = std::min(gap, row[0] - row[1]);
  }
  return gap;
}

/// π(a | s) of ε-greedy behaviour: ε / |A| each, and 1 − ε more for the greedy action.   -> (states · actions)
inline Eigen::VectorXd epsilon_greedy(const Eigen::VectorXd& q, std::int64_t actions, double epsilon) {
  Eigen::VectorXd p = Eigen::VectorXd::Constant(q.size(), epsilon / double(actions));
  const auto best = greedy_policy(q, actions);
  for (std::size_t s = 0; s < best.size(); ++s) p[std::int64_t(s) * actions + best[s]] += 1 - epsilon;
  return p;
}

namespace detail {

/// P_π (states, states).
inline Eigen::MatrixXd chain(const FiniteMdp& m, const Eigen::VectorXd& policy) {
  Eigen::MatrixXd p = Eigen::MatrixXd::Zero(m.states, m.states);
  for (std::int64_t a = 0; a < m.actions; ++a)
    for (std::int64_t s = 0; s < m.states; ++s)
      p.row(s) += policy[s * m.actions + a] * m.transition.row(s * m.actions + a);
  return p;
}

}  // namespace detail

/// μ(s, a), the stationary distribution of a policy, by power iterations from the uniform one.
inline Eigen::VectorXd stationary(const FiniteMdp& m, const Eigen::VectorXd& policy, std::int64_t sweeps = 400) {
  const Eigen::MatrixXd p = detail::chain(m, policy).transpose();
  Eigen::VectorXd d = Eigen::VectorXd::Constant(m.states, 1.0 / double(m.states));
  for (std::int64_t i = 0; i < sweeps; ++i) {
    const Eigen::VectorXd next = p * d;
    const double change = (next - d).cwiseAbs().maxCoeff();
    d = next / next.sum();
    if (change < 1e-16) break;
  }
  Eigen::VectorXd mu(m.pairs());
  for (std::int64_t i = 0; i < m.pairs(); ++i) mu[i] = d[i / m.actions] * policy[i];
  return mu;
}

/// V^π of all states, exactly: (I − γ P_π) V = r_π.
inline Eigen::VectorXd policy_value(const FiniteMdp& m, const Eigen::VectorXd& policy) {
  Eigen::VectorXd r = Eigen::VectorXd::Zero(m.states);
  for (std::int64_t i = 0; i < m.pairs(); ++i) r[i / m.actions] += policy[i] * m.reward[i];
  const Eigen::MatrixXd a = Eigen::MatrixXd::Identity(m.states, m.states) - m.gamma * detail::chain(m, policy);
  return a.partialPivLu().solve(r);
}

/// Distances of q to the right one, relative to its size: three norms, which need not agree.
struct QError {
  double sup = NAN;      // largest
  double uniform = NAN;  // Euclidean over all (s, a)
  double greedy = NAN;   // weighted by the stationary distribution of the right greedy policy
};

/// weights  the stationary distribution of the greedy policy of `right`
inline QError q_error(const Eigen::VectorXd& q, const Eigen::VectorXd& right, const Eigen::VectorXd& weights) {
  const Eigen::VectorXd d = q - right;
  const auto weighted = [&](const Eigen::VectorXd& v) {
    return std::sqrt((weights.array() * v.array().square()).sum());
  };
  return {d.cwiseAbs().maxCoeff() / right.cwiseAbs().maxCoeff(), d.norm() / right.norm(),
          weighted(d) / weighted(right)};
}

}  // namespace tenzo::rl
