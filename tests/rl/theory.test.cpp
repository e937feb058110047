// Finite processes, the realizable ones, and the rate of fitted Q-iteration against its theory.
#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/rl/fitted_q.hpp"
#include "tenzo/rl/local_rate.hpp"

using namespace tenzo;
using namespace tenzo::rl;

namespace {

/// Two states; staying in the first gives 1, moving on to the second 0, which gives 2 for ever.
FiniteMdp two_states(double gamma) {
  FiniteMdp m;
  m.states = 2, m.actions = 2, m.gamma = gamma;
  m.transition.resize(4, 2);
  m.transition << 1, 0, 0, 1, 0, 1, 0, 1;
  m.reward.resize(4);
  m.reward << 1, 0, 2, 2;
  return m;
}

Exploration always(double epsilon) { return {Exploration::Kind::constant, epsilon, epsilon}; }

}  // namespace

TEST_CASE("finite mdp: values in closed form") {
  const FiniteMdp m = two_states(0.75);
  m.check();
  const auto q = optimal_q(m);
  const double second = 2 / (1 - 0.75), first = 0.75 * second;  // 6 > 1 / (1 − γ) = 4: moves on
  CHECK(q[0] == doctest::Approx(1 + 0.75 * first));
  CHECK(q[1] == doctest::Approx(first));
  CHECK(q[2] == doctest::Approx(second));
  CHECK(bellman_residual(m, q) < 1e-12);
  CHECK(greedy_policy(q, 2) == std::vector<std::int32_t>{1, 0});
  CHECK(action_gap(q, 2) == doctest::Approx(0).epsilon(1e-9));  // of the second state: both actions are alike

  Eigen::VectorXd stay(4);
  stay << 1, 0, 0.5, 0.5;
  CHECK(policy_value(m, stay)[0] == doctest::Approx(4));
  const auto soft = epsilon_greedy(q, 2, 0.2);
  CHECK(soft[0] == doctest::Approx(0.1));
  CHECK(soft[1] == doctest::Approx(0.9));
  const auto v = policy_value(m, soft);
  CHECK(v[0] == doctest::Approx((0.1 + 0.9 * 0.75 * second) / (1 - 0.1 * 0.75)));

  FiniteMdp wrong = m;
  wrong.transition(0, 0) = 0.9;
  CHECK_THROWS_AS(wrong.check(), ValueError);
  wrong.reward.resize(3);
  CHECK_THROWS_AS(wrong.check(), ShapeError);
}

TEST_CASE("stationary distribution: it stays") {
  const RealizableMdp m = realizable_mdp({.states = 11, .actions = 3}, 4);
  const auto policy = epsilon_greedy(m.q, 3, 0.3);
  const auto mu = stationary(m.mdp, policy, 4000);
  CHECK(mu.sum() == doctest::Approx(1));
  const Eigen::VectorXd next = m.mdp.transition.transpose() * mu;
  for (std::int64_t s = 0; s < 11; ++s) {
    double here = 0;
    for (std::int64_t a = 0; a < 3; ++a) here += mu[s * 3 + a];
    CHECK(next[s] == doctest::Approx(here).epsilon(1e-10));
    for (std::int64_t a = 0; a < 3; ++a) CHECK(mu[s * 3 + a] == doctest::Approx(here * policy[s * 3 + a]));
  }
}

TEST_CASE("feature network: the same values and derivatives as by differentiation") {
  for (const std::int64_t layers : {1, 2, 3}) {
    const FeatureNetworkShape shape{.features = 4, .width = 3, .layers = layers};
    const RealizableMdp m = realizable_mdp({.states = 5, .actions = 2, .network = shape}, 3);
    FeatureNetwork<Tensor<double>> net;
    std::int64_t at = 0;
    for (std::int64_t l = 0; l < layers; ++l) {
      Tensor<double> w(Shape{3, l == 0 ? 4 : 3});
      for (double& v : w.values()) v = m.weights[at++];
      net.weights.push_back(w);
    }
    REQUIRE(at == shape.parameters());
    Eigen::MatrixXd jacobian;
    const auto values = shape.differentiate(m.weights, m.features, jacobian);
    CHECK((values - m.values(m.weights)).norm() == 0);
    for (std::int64_t i = 0; i < 10; ++i) {
      Tensor<double> x(Shape{1, 4});
      for (std::int64_t j = 0; j < 4; ++j) x(0, j) = m.features(i, j);
      const auto g = value_and_grad([&](const auto& n) { return sum(n(x)); }, net);
      CHECK(g.value.item() == doctest::Approx(values[i]).epsilon(1e-12));
      const auto flat = ravel(g.grad);
      for (std::int64_t p = 0; p < flat.size(); ++p) CHECK(flat(p) == doctest::Approx(jacobian(i, p)).epsilon(1e-12));
    }
  }
}

TEST_CASE("realizable mdp: Q(·; W*) is optimal") {
  for (const std::uint64_t seed : {1, 2, 3})
    for (const std::int64_t layers : {1, 2}) {
      const RealizableMdp m = realizable_mdp({.network = {.width = layers == 1 ? 5 : 6, .layers = layers}}, seed);
      m.mdp.check();
      CHECK(bellman_residual(m.mdp, m.q) < 1e-12);
      CHECK((optimal_q(m.mdp) - m.q).cwiseAbs().maxCoeff() < 1e-11);
      CHECK(action_gap(m.q, 4) >= 0);
      CHECK(m.mdp.transition.minCoeff() > 0);
    }
  CHECK_THROWS_AS(realizable_mdp({.states = 0}, 1), ValueError);
  CHECK_THROWS_AS(realizable_mdp({.gamma = 1}, 1), ValueError);
  CHECK_THROWS_AS(realizable_mdp({.network = {.width = 0}}, 1), ValueError);
}

TEST_CASE("start at a distance: as far as it says") {
  const RealizableMdp m = realizable_mdp({}, 2);
  for (const double delta : {0.02, 0.6})
    CHECK((start_at_distance(m, delta, 5) - m.weights).norm() == doctest::Approx(delta * m.weights.norm()));
  CHECK((start_at_distance(m, 0.3, 5) - start_at_distance(m, 0.3, 6)).norm() > 0.1);
}

TEST_CASE("local rate: the solution is a fixed point, and the iteration's derivative there is γ H⁻¹ C") {
  const RealizableMdp m = realizable_mdp({}, 1);
  const PopulationQ population;
  CHECK((population.step(m, m.weights, 0.3) - m.weights).norm() < 1e-12 * m.weights.norm());
  for (const double epsilon : {0.2, 1.0}) {
    CAPTURE(epsilon);
    const LocalRate r = local_rate(m, epsilon);
    CHECK(r.rho <= r.norm);
    CHECK(r.norm <= r.bound);
    CHECK(r.bound == doctest::Approx(0.8 / std::sqrt(1 - epsilon * 0.75)));
    const auto course = run_fitted(m, start_at_distance(m, 0.02, 9), always(epsilon), 150, 1e-8,
                                   [&](const Eigen::VectorXd& w, double e) { return population.step(m, w, e); });
    const auto& e = course.error;
    REQUIRE(e.back().sup < 1e-8);
    REQUIRE(e.size() > 20);
    const double tail = std::pow(e.back().sup / e[e.size() - 16].sup, 1. / 15);
    CHECK(std::abs(tail - r.rho) < 3e-3);
  }
}

TEST_CASE("local rate: with a feature for each pair, the rate is γ whatever the behaviour") {
  // Features (1, 0, …) of positive weights: the network is a table. K = 1.
  RealizableMdp m = realizable_mdp({.states = 6, .actions = 2, .network = {.features = 12, .width = 1}}, 5);
  m.features = Eigen::MatrixXd::Identity(12, 12);
  m.weights = m.weights.cwiseAbs().array() + 0.1;
  m.q = m.values(m.weights);
  m.mdp.reward = m.q - m.mdp.gamma * (m.mdp.transition * state_values(m.q, 2));
  for (const double epsilon : {0.1, 0.5, 1.0}) CHECK(local_rate(m, epsilon).rho == doctest::Approx(0.8).epsilon(1e-9));
}

TEST_CASE("sampled Q: errors fall with the samples, and a run is a function of its seed") {
  const RealizableMdp m = realizable_mdp({}, 2);
  const auto final_error = [&](std::int64_t n, std::uint64_t seed) {
    SampledQ sampled{.transitions = n, .inner_steps = 800};
    SampledQ::State s{start_at_distance(m, 0.1, 3)};
    for (int t = 0; t < 12; ++t) sampled.step(s, m, 0.3, seed);
    return (m.values(s.weights) - m.q).norm() / m.q.norm();
  };
  const double few = final_error(250, 1), many = final_error(8000, 1);
  CHECK(many < 0.08);
  CHECK(many < 0.6 * few);  // 32 times as many: the root of that is 5.7
  CHECK(final_error(250, 1) == few);
  CHECK(final_error(250, 2) != few);
}
