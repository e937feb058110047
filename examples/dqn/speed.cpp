// How fast it all is: E7.
#include <chrono>

#include "control_of.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"

namespace dqn {

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Calls f until so many seconds are over; calls a second.
template <class F>
double per_second(double seconds, F&& f) {
  f();
  std::int64_t calls = 0;
  const double start = now();
  double passed = 0;
  do {
    f(), ++calls;
    passed = now() - start;
  } while (passed < seconds);
  return double(calls) / passed;
}

/// CartPole's steps a second under random actions, which are drawn beforehand.
double environment_speed(std::int64_t n, double seconds) {
  Batched<CartPole<float>> e(n);
  const std::int64_t steps = std::max<std::int64_t>(1, 4096 / n);
  std::vector<std::int32_t> actions(std::size_t(2 * std::max<std::int64_t>(n, 4096)));
  for (std::size_t i = 0; i < actions.size(); ++i)
    actions[i] = std::int32_t(Draw{1, 0, 0, Use::behaviour}.block(std::uint32_t(i / 4))[i % 4] >> 31);
  std::size_t at = 0;
  return double(n * steps) * per_second(seconds, [&] {
           for (std::int64_t k = 0; k < steps; ++k) {
             at = (at + std::size_t(n)) % (actions.size() / 2);
             e.step(std::span(actions).subspan(at, std::size_t(n)));
           }
         });
}

/// Seconds of so many short runs on all threads.
double seconds_of(int runs, std::int64_t steps) {
  const double start = now();
  parallel_for(runs, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t i = from; i < to; ++i) {
      Control c;
      c.seed = 100 + std::uint64_t(i), c.steps = steps, c.evaluate_every = steps, c.episodes = 1;
      c.hidden = {64, 64}, c.batch = 64, c.learning_starts = 200, c.train_every = 4, c.epsilon = "0.1";
      run_control(c);
    }
  });
  return now() - start;
}

}  // namespace

Speed speeds(double seconds, std::int64_t steps) {
  Speed s;
  const int all = threads();
  s.threads = all;
  set_threads(1);
  s.one = environment_speed(1, seconds / 8);
  s.many = environment_speed(1024, seconds / 8);
  set_threads(all);
  s.all = environment_speed(8192, seconds / 8);

  using Net = FixedQNetwork<false, false, 4, 64, 64, 2>;
  FixedQ<Net, 32> q(ravel(initialised<float>(q_network_spec({.widths = {4, 64, 64, 2}}), 1)));
  const auto x = random_normal<float>({32, 4}, initial_key(1, 0)), y = random_normal<float>({32, 4}, initial_key(1, 1));
  const std::vector<float> reward(32, 1.f), discount(32, 0.99f);
  std::vector<std::int32_t> action(32);
  for (std::size_t i = 0; i < 32; ++i) action[i] = i % 2;
  const Batch batch{x.values(), y.values(), action, reward, discount};
  s.update = 1 / per_second(seconds / 8, [&] { q.update(batch, {}); });
  s.gflops = 8.0 * 32 * Net::parameters / s.update * 1e-9;  // four passes, two operations each

  set_threads(1);
  const double alone = seconds_of(16, steps) / 16;
  set_threads(all);
  s.scaling = 64 * alone / (seconds_of(64, steps) * all);
  return s;
}

}  // namespace dqn
