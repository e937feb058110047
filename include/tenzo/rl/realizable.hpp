// Random processes whose optimal action values are those of a given network, exactly.
#pragma once

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/feature_network.hpp"
#include "tenzo/rl/finite_mdp.hpp"

namespace tenzo::rl {

struct RealizableOptions {
  std::int64_t states = 60, actions = 4, successors = 3;
  double gamma = 0.8;
  double mixing = 0.02;  // share of uniform transitions: every state is reached from every other
  FeatureNetworkShape network{};
};

/// A process with features and the weights W* of which Q(·; W*) is optimal.
struct RealizableMdp {
  FiniteMdp mdp;
  FeatureNetworkShape network;
  Eigen::MatrixXd features;  // (states · actions, network.features)
  Eigen::VectorXd weights;   // W*
  Eigen::VectorXd q;         // Q*

  Eigen::VectorXd values(const Eigen::VectorXd& w) const { return network.values(w, features); }
};

/// Features and W* of N(0, 1); for each (s, a) some successors with weights of Exp(1), mixed with the uniform ones; and
/// r = Q(·; W*) − γ P max Q(·; W*), so that Q(·; W*) solves Bellman's equation.
///   Throws  ValueError for sizes and probabilities outside their domains.
inline RealizableMdp realizable_mdp(const RealizableOptions& o, std::uint64_t seed) {
  o.network.check();
  require(o.states >= 1 && o.actions >= 1 && o.successors >= 1 && o.states <= 1 << 16 && o.actions <= 1 << 10,
          "realizable mdp: ", o.states, " states, ", o.actions, " actions, ", o.successors, " successors");
  require(o.gamma >= 0 && o.gamma < 1 && o.mixing >= 0 && o.mixing <= 1, "realizable mdp: gamma ", o.gamma, ", mixing ",
          o.mixing, "; want gamma in [0, 1), mixing in [0, 1]");
  RealizableMdp r;
  r.network = o.network;
  const std::int64_t pairs = o.states * o.actions, d = o.network.features;
  const auto x = random_normal<double>({pairs, d}, initial_key(seed, 0));
  const auto w = random_normal<double>({o.network.parameters()}, initial_key(seed, 1));
  r.features.resize(pairs, d);
  for (std::int64_t i = 0; i < pairs; ++i)
    for (std::int64_t j = 0; j < d; ++j) r.features(i, j) = x(i, j);
  r.weights = Eigen::Map<const Eigen::VectorXd>(w.data(), w.size());
  r.q = r.values(r.weights);

  FiniteMdp& m = r.mdp;
  m.states = o.states, m.actions = o.actions, m.gamma = o.gamma;
  m.transition = Eigen::MatrixXd::Zero(pairs, o.states);
  for (std::int64_t i = 0; i < pairs; ++i) {
    double total = 0;
    for (std::int64_t k = 0; k < o.successors; ++k) {
      const PhiloxBlock words = Draw{seed, std::uint32_t(i), std::uint32_t(k), Use::model}.block();
      const double weight = -std::log(1 - unit<double>(words[1]));
      m.transition(i, below(std::uint32_t(o.states), words[0])) += weight;
      total += weight;
    }
    m.transition.row(i) *= (1 - o.mixing) / total;
    m.transition.row(i).array() += o.mixing / double(o.states);
    m.transition.row(i) /= m.transition.row(i).sum();
  }
  m.reward = r.q - m.gamma * (m.transition * state_values(r.q, m.actions));
  return r;
}

/// W* + δ |W*| U / |U| with U Gaussian, a function of `number`.
inline Eigen::VectorXd start_at_distance(const RealizableMdp& m, double delta, std::uint64_t number) {
  const auto u = random_normal<double>({std::int64_t(m.weights.size())}, initial_key(number, 2));
  const Eigen::Map<const Eigen::VectorXd> direction(u.data(), u.size());
  return m.weights + delta * m.weights.norm() / direction.norm() * direction;
}

}  // namespace tenzo::rl
