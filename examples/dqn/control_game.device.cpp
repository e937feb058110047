// MinAtar's Breakout: planes in bytes, a convolution.
#include "control_of.hpp"
#include "tenzo/io/model_file.hpp"
#include "tenzo/rl/conv_q_network.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/tensor_q.hpp"

namespace dqn {

template <class Device>
Course game_course(const Control& c, const Watch& watch) {
  const auto start = initialised<float>(conv_q_spec(4, 10, 10, 6), c.seed);
  TensorQ<ConvQNetwork<Tensor<float, Device>>, NamedOptimizer> q(to_device<Device>(start), Shape{4, 10, 10}, 6,
                                                                 {.lr = c.lr, .name = c.optimizer});
  return dqn_course<std::uint8_t>(
      c, Breakout{}, std::move(q),
      [&](const auto& trained) {
        save_model(c.weights, to_device<Cpu>(trained.model()),
                   {{"format", std::string(q_format)}, {"environment", c.environment}});
      },
      watch);
}

template Course game_course<TENZO_DEVICE>(const Control&, const Watch&);

}  // namespace dqn
