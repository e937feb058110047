// MinAtar's Breakout: planes in bytes, a convolution.
#include "control_of.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/optim/rmsprop.hpp"
#include "tenzo/rl/conv_q_network.hpp"
#include "tenzo/rl/environments/breakout.hpp"
#include "tenzo/rl/tensor_q.hpp"

namespace dqn {

Course game_course(const Control& c, const Watch& watch) {
  using Net = ConvQNetwork<Tensor<float>>;
  const Net start = initialised<float>(conv_q_spec(4, 10, 10, 6), c.seed);
  TensorQ<Net, RmsProp> q(start, Shape{4, 10, 10}, 6, {.lr = c.lr, .alpha = 0.95, .eps = 0.01, .centered = true});
  return dqn_course<std::uint8_t>(
      c, Breakout{}, std::move(q),
      [&](const auto& trained) {
        std::vector<TensorSpec> specs;
        std::vector<Tensor<float>> leaves;
        const Net net = unravel(trained.parameters, start);
        for_each_leaf(
            [&](const Path& at, const Tensor<float>& v) {
              specs.push_back({at.str(), DType::f32, v.shape()});
              leaves.push_back(v);
            },
            net);
        write_safetensors(c.weights, {{"format", "tenzo.q.1"}, {"environment", c.environment}}, specs,
                          [&](std::size_t i) { return StoredTensor::from(leaves[i]); });
      },
      watch);
}

}  // namespace dqn
