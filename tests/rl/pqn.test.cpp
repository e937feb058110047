// Q-learning without replay and target network, and λ-returns.
#include "tenzo/rl/pqn.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "../tree/same_bits.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/radam.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/checkpoint.hpp"
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

TEST_CASE("pqn: goes on from a file with the same bits, and says where nothing can be learnt") {
  using Q = FixedQ<FixedQNetwork<true, false, 4, 16, 2>, 32, RAdam>;
  const auto make = [](double lr) {
    Q q(start<4, 16, 2>(5), {.lr = lr});
    q.gradient_limit = 10;
    PqnOptions o;
    o.exploration = parse_exploration("linear:1:0.05:1000");
    o.rollout = 32, o.epochs = 2, o.anneal = 5000;
    return Pqn<Cart, Q>(Cart(4), std::move(q), o);
  };
  const auto play = [](auto& agent, std::int64_t until, std::vector<double>& log) {
    while (agent.steps() < until)
      agent.iterate([&](const Episode& e) {
        const TdFigures& f = agent.figures();
        log.insert(log.end(), {double(e.step), e.total, double(e.length), agent.epsilon()});
        for (const double x : {f.loss, f.mean_q, f.gradient}) log.push_back(std::isnan(x) ? -1e9 : x);
      });
  };
  auto whole = make(2e-3), part = make(2e-3), later = make(2e-3);
  std::vector<double> a, b;
  play(whole, 1280, a), play(part, 1280, b);
  const std::string path =
      (std::filesystem::temp_directory_path() / cat("tenzo_pqn_", ::getpid(), ".safetensors")).string();
  save_run(path, part.state(), "a run");
  auto state = later.state();
  load_run(path, state, "a run");
  std::filesystem::remove(path);
  later.restore(state);
  play(whole, 3000, a), play(later, 3000, b);
  CHECK(a.size() > 100);
  CHECK(a == b);
  CHECK(test::same_bits(whole.q.parameters, later.q.parameters));
  CHECK(test::same_bits(whole.q.state.second, later.q.state.second));
  state.tally.totals.pop_back();
  CHECK_THROWS_AS(later.restore(state), ValueError);
  state = part.state(), state.learner.moments.pop_back();
  CHECK_THROWS_AS(later.restore(state), ValueError);

  auto wild = make(1e30);
  CHECK_THROWS_AS(play(wild, 3000, a), ValueError);
}
