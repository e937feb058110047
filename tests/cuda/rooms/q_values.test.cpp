// Q-learning on the device: values, updates and a saved run, beside the CPU's.
#include "beside.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/dqn.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/rl/tensor_q.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::rl;

namespace {

QNetwork<Tensor<float>> network() {
  return initialised<float>(q_network_spec({.widths = {4, 8, 2}, .norm = true, .dueling = true}), 3);
}
template <class D>
TensorQ<QNetwork<Tensor<float, D>>> q_on(D) {
  return {to_device<D>(network()), Shape{4}, 2, {.lr = 1e-2}};
}

}  // namespace

TEST_CASE("q-values on the device: updates as on the CPU, with every rule, and a target that follows") {
  const AtEnd clean;
  const auto x = random_normal<float>({8, 4}, initial_key(1, 0u)), y = random_normal<float>({8, 4}, initial_key(1, 1u));
  const std::vector<float> reward{1, 0, 1, -1, 0.5f, 1, 2, 0}, discount(8, 0.9f), weight{1, 0.5f, 1, 1, 0.25f, 1, 1, 1};
  const std::vector<std::int32_t> action{0, 1, 1, 0, 1, 0, 0, 1};
  for (const TdRule rule : {TdRule{}, TdRule{.double_q = true, .huber = 0.5}}) {
    auto here = q_on(Cpu{});
    auto there = q_on(Cuda{});
    here.gradient_limit = there.gradient_limit = 0.5;
    for (int step = 0; step < 3; ++step) {
      std::vector<float> errors(8), errors_there(8);
      const Batch batch{x.values(), y.values(), action, reward, discount, weight};
      const TdFigures a = here.update(batch, rule, 1, errors), b = there.update(batch, rule, 1, errors_there);
      CHECK(b.loss == doctest::Approx(a.loss).epsilon(1e-4));
      CHECK(b.mean_q == doctest::Approx(a.mean_q).epsilon(1e-4));
      CHECK(b.gradient == doctest::Approx(a.gradient).epsilon(1e-4));
      for (std::size_t i = 0; i < 8; ++i) CHECK(errors_there[i] == doctest::Approx(errors[i]).epsilon(1e-3));
      here.follow(step == 1 ? 1 : 0.3), there.follow(step == 1 ? 1 : 0.3);
    }
    CHECK(apart(there.parameters, here.parameters) < 1e-4);
    CHECK(apart(there.target, here.target) < 1e-4);
  }
}

TEST_CASE("a run on the device: its state is on the host, and goes on from there with the same bits") {
  const AtEnd clean;
  DqnOptions o;
  o.buffer = 64, o.batch = 8, o.learning_starts = 10, o.train_every = 2, o.target_every = 10;
  using Agent = Dqn<Batched<CartPole<float>>, TensorQ<QNetwork<Tensor<float, Cuda>>>>;
  const auto begun = [&] { return Agent(Batched<CartPole<float>>(1, {}), q_on(Cuda{}), o); };
  const auto go_on = [](Agent& agent, int steps) {
    for (int i = 0; i < steps; ++i) agent.step([](const Episode&) {});
  };
  Agent whole = begun();
  go_on(whole, 24);
  Agent first = begun();
  go_on(first, 14);
  Agent second = begun();
  const auto state = first.state();
  go_on(first, 5);  // which the state does not see
  second.restore(state);
  go_on(second, 10);
  CHECK(whole.updates() > 4);
  CHECK(apart(second.q.parameters, whole.q.parameters) == 0);
  CHECK(apart(second.q.target, whole.q.target) == 0);
  CHECK(apart(second.q.state.second, whole.q.state.second) == 0);
}
