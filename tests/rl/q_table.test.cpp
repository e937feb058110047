// Q-learning in a table, and agents on planes kept as bytes.
#include "tenzo/rl/q_table.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../tree/same_bits.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/rmsprop.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/conv_q_network.hpp"
#include "tenzo/rl/dqn.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/evaluation.hpp"
#include "tenzo/rl/tensor_q.hpp"

using namespace tenzo;
using namespace tenzo::rl;

TEST_CASE("q table: one step by hand, and the shortest way along the cliff") {
  QTable t(2, 2, 0.25, 0.5);
  t.q = {1, 2, 3, -1};
  t.learn(0, 1, 4, false, 1);  // 2 + 0.25 (4 + 0.5 · 3 − 2)
  CHECK(t.q[1] == doctest::Approx(2.875));
  t.learn(1, 0, 4, true, 0);
  CHECK(t.q[2] == doctest::Approx(3.25));
  CHECK_THROWS_AS(QTable(0, 2, 0.1, 1), ValueError);
  CHECK_THROWS_AS(QTable(2, 2, 0, 1), ValueError);

  const Cliff cliff;
  QTable table(48, 4, 0.5, 1);
  const auto index = [](const Cliff::State& s) { return std::int64_t(s[0]); };
  for (std::uint32_t e = 0; e < 500; ++e) learn_episode(table, cliff, index, 0.1, 3, e);
  CHECK(learn_episode(table, cliff, index, 0, 3, 1000) == -13);  // up, eleven to the right, down
  QTable again(48, 4, 0.5, 1);
  for (std::uint32_t e = 0; e < 500; ++e) learn_episode(again, cliff, index, 0.1, 3, e);
  learn_episode(again, cliff, index, 0, 3, 1000);
  CHECK(again.q == table.q);
}

TEST_CASE("evaluation: returns of first episodes, cut off where they do not end") {
  const Cliff cliff;
  const auto always = [](std::int32_t action) {
    return [action](std::span<const float>, std::span<std::int32_t> to) { std::ranges::fill(to, action); };
  };
  CHECK(episode_returns(cliff, 2, 1, always(1), 5) == std::vector<double>{-500, -500});  // off the cliff, each time
  CHECK(episode_returns(Cliff{.steps = 7}, 3, 1, always(0), 100) == std::vector<double>{-7, -7, -7});
}

TEST_CASE("convolutional Q: an agent of Breakout, the same with planes in bytes") {
  const auto net = initialised<float>(conv_q_spec(4, 10, 10, 6, 4, 16), 2);
  const auto after = [&](auto stored) {
    using Agent = Dqn<Batched<Breakout>, TensorQ<ConvQNetwork<Tensor<float>>, RmsProp>, decltype(stored)>;
    DqnOptions o;
    o.exploration = parse_exploration("0.3");
    o.batch = 8, o.buffer = 200, o.learning_starts = 50, o.train_every = 5, o.target_every = 50, o.rule.huber = 1;
    Agent agent(Batched<Breakout>(2),
                {net, Shape{4, 10, 10}, 6, {.lr = 1e-3, .alpha = 0.95, .eps = 0.01, .centered = true}}, o);
    while (agent.steps() < 400) agent.step([](const Episode&) {});
    CHECK(agent.updates() == 70);
    CHECK(std::isfinite(agent.figures().loss));
    return agent.q.parameters;
  };
  const auto floats = after(0.f);
  CHECK(test::same_bits(floats, after(std::uint8_t())));
  CHECK_FALSE(test::same_bits(floats, ravel(net)));
  CHECK_THROWS_AS(conv_q_spec(4, 2, 10, 6), ValueError);
}
