// Agents: they learn, they go on from a file with the same bits, and what they are given is checked.
#include <doctest/doctest.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "../tree/same_bits.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/optim/rmsprop.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/checkpoint.hpp"
#include "tenzo/rl/conv_q_network.hpp"
#include "tenzo/rl/dqn.hpp"
#include "tenzo/rl/environments/acrobot.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/evaluation.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/rl/tensor_q.hpp"
#include "tenzo/tree/ravel.hpp"

using namespace tenzo;
using namespace tenzo::rl;

namespace {

template <int... widths>
Tensor<float> start(std::uint64_t seed) {
  return ravel(initialised<float>(q_network_spec({.widths = {widths...}}), seed));
}

using Cart = Batched<CartPole<float>>;
using Small = FixedQ<FixedQNetwork<false, false, 4, 32, 32, 2>, 32>;

DqnOptions small_options() {
  DqnOptions o;
  o.exploration = parse_exploration("linear:1:0.05:4000");
  o.batch = 32, o.buffer = 5000, o.learning_starts = 500, o.train_every = 2, o.target_every = 200;
  return o;
}

Dqn<Cart, Small> small_agent(const DqnOptions& o, std::int64_t n = 1) {
  return {Cart(n), Small(start<4, 32, 32, 2>(o.seed), {.lr = 1e-3}), o};
}

std::string in_temp(const std::string& name) {
  return (std::filesystem::temp_directory_path() / cat("tenzo_dqn_", ::getpid(), "_", name)).string();
}

}  // namespace

TEST_CASE("dqn: learns to balance") {
  DqnOptions o = small_options();
  o.seed = 2;
  auto agent = small_agent(o);
  const auto before = greedy_returns(CartPole<float>{}, agent.q, 20, 77);
  double best = 0;
  while (agent.steps() < 24000 && best < 200) {
    agent.step([](const Episode&) {});
    if (agent.steps() % 2000 != 0) continue;
    double mean = 0;
    for (const double r : greedy_returns(CartPole<float>{}, agent.q, 20, 77)) mean += r / 20;
    best = std::max(best, mean);
  }
  double mean = 0;
  for (const double r : before) mean += r / 20;
  CHECK(mean < 60);
  CHECK(best >= 200);
}

namespace {

/// What a log says along the way to a step: of each episode its end, and the figures of the last update.
template <class Agent>
void play(Agent& agent, std::int64_t until, std::vector<double>& log) {
  const auto said = [](double x) { return std::isnan(x) ? -1e9 : x; };
  while (agent.steps() < until)
    agent.step([&](const Episode& e) {
      const TdFigures& f = agent.figures();
      log.insert(log.end(),
                 {double(e.step), e.total, double(e.length), said(f.loss), said(f.mean_q), said(f.gradient)});
    });
}

/// Runs to a step, goes on from there from a file, and compares with a run that never stopped.
template <class Make>
void goes_on(Make&& make, std::int64_t at, std::int64_t until) {
  auto whole = make(), part = make(), later = make();
  std::vector<double> a, b;
  const std::string path = in_temp("run.safetensors");
  play(whole, at, a), play(part, at, b);
  CHECK(a == b);
  save_run(path, part.state(), "a run");
  auto state = later.state();
  load_run(path, state, "a run");
  later.restore(std::move(state));
  CHECK(later.steps() == part.steps());
  play(whole, until, a), play(later, until, b);
  CHECK(a == b);
  CHECK(whole.updates() > part.updates() + 10);
  CHECK(test::same_bits(whole.q.parameters, later.q.parameters));
  CHECK(test::same_bits(whole.q.target, later.q.target));
  std::filesystem::remove(path);
}

}  // namespace

TEST_CASE("dqn: goes on from a file with the same bits, between two updates") {
  DqnOptions o = small_options();
  o.train_every = 10;
  SUBCASE("uniform") {
    goes_on([&] { return small_agent(o); }, 1603, 3000);
  }
  SUBCASE("before the first update") {
    goes_on([&] { return small_agent(o); }, 403, 1200);
  }
  SUBCASE("with all that there is, in four environments") {
    o.priorities = Priorities{}, o.n_step = 3, o.rule = {.double_q = true, .huber = 1}, o.tau = 0.5;
    goes_on([&] { return small_agent(o, 4); }, 1604, 3000);
  }
  SUBCASE("with the largest mean of squares so far, and clipped gradients") {
    goes_on(
        [&] {
          Small q(start<4, 32, 32, 2>(1), {.lr = 1e-2, .amsgrad = true});
          q.gradient_limit = 1;
          return Dqn<Cart, Small>(Cart(1), std::move(q), o);
        },
        1603, 3000);
  }
  SUBCASE("a network of any size") {
    const auto net = initialised<float>(q_network_spec({.widths = {4, 16, 2}, .norm = true, .dueling = true}), 4);
    using Q = TensorQ<QNetwork<Tensor<float>>>;
    goes_on([&] { return Dqn<Cart, Q>(Cart(1), Q(net, Shape{4}, 2, {.lr = 1e-3}), o); }, 903, 1500);
  }
  SUBCASE("planes in bytes, with centred RMSprop") {
    const auto net = initialised<float>(conv_q_spec(4, 10, 10, 6, 4, 16), 2);
    o.batch = 8, o.buffer = 300, o.learning_starts = 100, o.target_every = 50, o.rule.huber = 1;
    using Q = TensorQ<ConvQNetwork<Tensor<float>>, RmsProp>;
    goes_on(
        [&] {
          return Dqn<Batched<Breakout>, Q, std::uint8_t>(
              Batched<Breakout>(1), Q(net, Shape{4, 10, 10}, 6, {.lr = 1e-3, .eps = 0.01, .centered = true}), o);
        },
        403, 800);
  }
  SUBCASE("acrobot") {
    using Q = FixedQ<FixedQNetwork<false, false, 6, 32, 3>, 32>;
    goes_on(
        [&] {
          return Dqn<Batched<Acrobot<float>>, Q>(Batched<Acrobot<float>>(1), Q(start<6, 32, 3>(2), {.lr = 1e-3}), o);
        },
        1203, 2600);
  }
}

TEST_CASE("dqn: the same course on any number of threads") {
  const auto course = [](int n) {
    const int before = threads();
    set_threads(n);
    auto agent = small_agent(small_options());
    while (agent.steps() < 1500) agent.step([](const Episode&) {});
    set_threads(before);
    return agent.q.parameters;
  };
  CHECK(test::same_bits(course(1), course(3)));
}

TEST_CASE("dqn: files that are damaged, or of another run") {
  const std::string path = in_temp("wrong.safetensors");
  auto agent = small_agent(small_options());
  while (agent.steps() < 700) agent.step([](const Episode&) {});
  save_run(path, agent.state(), "mine");
  auto state = agent.state();
  CHECK_NOTHROW(load_run(path, state, "mine"));
  CHECK_THROWS_AS(load_run(path, state, "yours"), FileError);
  CHECK_THROWS_AS(load_run(in_temp("none"), state, "mine"), FileError);
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto refused = [&](std::string changed) {
    std::ofstream(path, std::ios::binary) << changed;
    auto other = agent.state();
    CHECK_THROWS_AS(load_run(path, other, "mine"), FileError);
  };
  refused(bytes.substr(0, bytes.size() / 2));
  for (const std::size_t at : {bytes.size() - 1, bytes.size() / 2, bytes.size() * 3 / 4}) {
    std::string changed = bytes;
    changed[at] = char(changed[at] ^ 4);
    refused(changed);
  }
  refused("");
  auto prioritized_options = small_options();
  prioritized_options.priorities = Priorities{};
  auto other = small_agent(prioritized_options);
  CHECK_THROWS_AS(other.restore(agent.state()), ValueError);
  std::filesystem::remove(path);
}

TEST_CASE("dqn: options that can not be") {
  const auto with = [](auto change) {
    DqnOptions o = small_options();
    change(o);
    return o;
  };
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.batch = 0; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.batch = -1; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.batch = -1, o.buffer = -1; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.buffer = 10; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.train_every = 0; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.gamma = 1.1; })), ValueError);
  CHECK_THROWS_AS(small_agent(with([](DqnOptions& o) { o.n_step = 0; })), ValueError);
  CHECK_THROWS_AS((Dqn<Batched<Breakout>, Small>(Batched<Breakout>(1), Small(start<4, 32, 32, 2>(1)), small_options())),
                  ShapeError);
}

TEST_CASE("dqn: a loss that is no number ends the run, and says at which step") {
  for (const bool prioritized : {false, true}) {
    DqnOptions o = small_options();
    if (prioritized) o.priorities = Priorities{};
    Dqn<Cart, Small> agent(Cart(1), Small(start<4, 32, 32, 2>(1), {.lr = 1e30}), o);
    std::string why;
    try {
      while (agent.steps() < 2000) agent.step([](const Episode&) {});
    } catch (const ValueError& error) {
      why = error.what();
    }
    CHECK(why.starts_with("dqn: the loss is "));
    CHECK(why.find(cat("at step ", agent.steps(), " of seed 1")) != why.npos);
  }
}
