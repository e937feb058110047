// Environments of the user's own, in a shared library (tenzo/rl/emulator.h).
#include "control_of.hpp"
#include "tenzo/rl/emulator.hpp"
#include "tenzo/rl/tensor_q.hpp"

namespace dqn {

template <class Device>
Course emulator_course(const Control& c, const Watch& watch) {
  const EmulatorLibrary library = EmulatorLibrary::open(c.environment);
  const std::int64_t size = library.table->observation_size;
  const auto start = initialised<float>(q_network_spec(network_of(c, size, library.table->actions)), c.seed);
  using Q = TensorQ<QNetwork<Tensor<float, Device>>, NamedOptimizer>;
  Q q(to_device<Device>(start), Shape{size}, library.table->actions, {.lr = c.lr, .name = c.optimizer});
  const auto judge = [&](auto& now) {
    Emulators apart(library, c.episodes, judging_seed(c));
    return mean_of(greedy_returns(apart, now));
  };
  return course(c, Dqn<Emulators, Q>(Emulators(library, 1), std::move(q), agent_options(c)), judge, saving(c, start),
                watch);
}

template Course emulator_course<TENZO_DEVICE>(const Control&, const Watch&);

}  // namespace dqn
