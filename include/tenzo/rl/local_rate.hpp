// How fast fitted Q-iteration with ε-greedy data converges near the solution, by theory.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tenzo/rl/realizable.hpp"
#include "tenzo/solve/spectral.hpp"

namespace tenzo::rl {

/// Of the outer map F_ε: W → argmin_V E_μ (Q(·; V) − T Q(·; W))², μ the stationary distribution of the ε-greedy policy
/// of Q(·; W). Where greedy actions are unique and no relu stands at zero, its derivative at W* is γ H⁻¹ C with
///   H = E_μ [g gᵀ],  C = E_μ [g(s, a) g(s', a*(s'))ᵀ],  g = ∇_W Q(·; W*).
/// Our own derivation, from ∂μ/∂W = 0 and T Q* = Q* there.
struct LocalRate {
  double rho = NAN;        // spectral radius of γ H⁻¹ C: the rate in the end
  double norm = NAN;       // its norm in H: the worst of one step
  double bound = NAN;      // γ / √(1 − ε (1 − 1/|A|)) >= norm; above 1 it guarantees nothing
  double condition = NAN;  // of H; where it is singular there is no isolated attractor, and rho and norm are NaN
};

/// γ / √(1 − ε (1 − 1/|A|)): by Cauchy and Schwarz, since s' is distributed as s, and the behaviour takes a* with
/// probability 1 − ε + ε/|A| at least.
inline double rate_bound(double gamma, double epsilon, std::int64_t actions) {
  return gamma / std::sqrt(1 - epsilon * (1 - 1 / double(actions)));
}

inline LocalRate local_rate(const RealizableMdp& m, double epsilon) {
  LocalRate r;
  r.bound = rate_bound(m.mdp.gamma, epsilon, m.mdp.actions);
  Eigen::MatrixXd g;
  m.network.differentiate(m.weights, m.features, g);
  const Eigen::VectorXd mu = stationary(m.mdp, epsilon_greedy(m.q, m.mdp.actions, epsilon), 4000);
  const auto best = greedy_policy(m.q, m.mdp.actions);
  Eigen::MatrixXd greedy(m.mdp.states, g.cols());  // g(s, a*(s))
  for (std::int64_t s = 0; s < m.mdp.states; ++s) greedy.row(s) = g.row(s * m.mdp.actions + best[std::size_t(s)]);
  const Eigen::MatrixXd weighted = mu.asDiagonal() * g;
  const Eigen::MatrixXd h = g.transpose() * weighted, c = weighted.transpose() * (m.mdp.transition * greedy);
  const Eigen::VectorXd spectrum = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(h).eigenvalues();
  r.condition = spectrum.maxCoeff() / std::max(spectrum.minCoeff(), 0.0);
  if (!(r.condition < 1e12)) return r;
  const Eigen::MatrixXd map = m.mdp.gamma * h.ldlt().solve(c);
  r.rho = spectral_radius(map);
  r.norm = operator_norm(map, h);
  return r;
}

}  // namespace tenzo::rl
