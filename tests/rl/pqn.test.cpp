// Q-learning without replay and target network, and λ-returns.
#include "tenzo/rl/pqn.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tenzo/nn/init.hpp"
#include "tenzo/optim/radam.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/evaluation.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/tree/ravel.hpp"

using namespace tenzo;
using namespace tenzo::rl;

namespace {

using Cart = Batched<CartPole<float>>;

template <int... widths>
Tensor<float> start(std::uint64_t seed) {
  return ravel(initialised<float>(q_network_spec({.widths = {widths...}, .norm = true}), seed));
}

}  // namespace

TEST_CASE("pqn: λ-returns by hand") {
  const std::vector<float> reward{1, 2, 3, 4}, value{10, 20, 30, 40};
  const std::vector<std::uint8_t> none(4, 0);
  const auto returns = [&](std::vector<std::uint8_t> terminated, std::vector<std::uint8_t> truncated, double lambda) {
    std::vector<float> out(4);
    lambda_returns(reward, terminated, truncated, value, 0.5, lambda, out);
    return out;
  };
  CHECK(returns(none, none, 0) == std::vector<float>{6, 12, 18, 24});
  CHECK(returns(none, none, 1) ==
        std::vector<float>{1 + 0.5f * (2 + 0.5f * (3 + 0.5f * 24)), 2 + 0.5f * (3 + 12), 15, 24});
  CHECK(returns({0, 1, 0, 1}, none, 1) == std::vector<float>{2, 2, 5, 4});
  CHECK(returns(none, {0, 1, 0, 0}, 1) == std::vector<float>{7, 12, 15, 24});
  CHECK(returns(none, none, 0.5)[2] == doctest::Approx(3 + 0.5 * (0.5 * 24 + 0.5 * 30)));
}

TEST_CASE("pqn: learns without replay and target") {
  using Net = FixedQNetwork<true, false, 4, 64, 64, 2>;
  using Q = FixedQ<Net, 128, RAdam>;
  Q q(start<4, 64, 64, 2>(3), {.lr = 2e-3});
  q.gradient_limit = 10;
  PqnOptions o;
  o.exploration = parse_exploration("linear:1:0.05:20000");
  o.seed = 3;
  Pqn<Cart, Q> agent(Cart(4), std::move(q), o);
  double best = 0;
  while (agent.steps() < 60000 && best < 200) {
    for (int k = 0; k < 8; ++k) agent.iterate([](const Episode&) {});
    double mean = 0;
    for (const double r : greedy_returns(CartPole<float>{}, agent.q, 20, 5)) mean += r / 20;
    best = std::max(best, mean);
  }
  CHECK(best >= 200);
  CHECK_THROWS_AS((Pqn<Cart, Q>(Cart(3), Q(start<4, 64, 64, 2>(3)), {.rollout = 5})), ValueError);
}
