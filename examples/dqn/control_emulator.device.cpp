// Environments of the user's own, in a shared library (tenzo/rl/emulator.h).
#include "control_of.hpp"
#include "tenzo/rl/emulator.hpp"
#include "tenzo/rl/tensor_q.hpp"

namespace dqn {

template <class Device>
Course emulator_course(const Control& c, const Watch& watch) {
  const auto begun = std::chrono::steady_clock::now();
  const EmulatorLibrary library = EmulatorLibrary::open(c.environment);
  const std::int64_t size = library.table->observation_size;
  const auto start = initialised<float>(q_network_spec(network_of(c, size, library.table->actions)), c.seed);
  using Q = TensorQ<QNetwork<Tensor<float, Device>>>;
  Q q(to_device<Device>(start), Shape{size}, library.table->actions, {.lr = c.lr});
  Dqn<Emulators, Q> agent(Emulators(library, 1), std::move(q), agent_options(c));
  Notes notes;
  const auto judge = [&] {
    Emulators apart(library, c.episodes, c.seed ^ 0x9e3779b97f4a7c15);
    notes.step.push_back(double(agent.steps())), notes.greedy.push_back(mean_of(greedy_returns(apart, agent.q)));
    if (agent.steps() > 0) notes.write(agent.steps(), "greedy", notes.greedy.back(), agent.figures(), agent.epsilon());
  };
  judge();
  while (agent.steps() < c.steps) {
    agent.step([&](const Episode& e) { notes.ended(e, agent.figures(), agent.epsilon()); });
    if (agent.steps() % c.evaluate_every != 0) continue;
    judge();
    if (watch) watch(agent.steps());
  }
  write_log(c, notes);
  if (!c.weights.empty()) saving(c, start)(agent.q);
  Course out = notes.course(c);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  return out;
}

template Course emulator_course<TENZO_DEVICE>(const Control&, const Watch&);

}  // namespace dqn
