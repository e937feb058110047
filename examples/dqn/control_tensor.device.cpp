// Networks of any size: what is not compiled for its sizes.
#include "control_of.hpp"
#include "tenzo/rl/environments/acrobot.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"
#include "tenzo/rl/environments/cliff.hpp"
#include "tenzo/rl/environments/deep_sea.hpp"
#include "tenzo/rl/environments/mountain_car.hpp"
#include "tenzo/rl/tensor_q.hpp"

namespace dqn {

namespace {

template <class Device, class D>
Course any_course(const Control& c, const D& dynamics, const Watch& watch) {
  const auto start =
      initialised<float>(q_network_spec(network_of(c, dynamics.observation_size(), dynamics.actions())), c.seed);
  TensorQ<QNetwork<Tensor<float, Device>>, NamedOptimizer> q(to_device<Device>(start),
                                                             Shape{dynamics.observation_size()}, dynamics.actions(),
                                                             {.lr = c.lr, .name = c.optimizer});
  return dqn_course<float>(c, dynamics, std::move(q), saving(c, start), watch);
}

}  // namespace

template <class Device>
Course tensor_course(const Control& c, const Watch& watch) {
  if (c.environment == "cartpole") return any_course<Device>(c, CartPole<float>{}, watch);
  if (c.environment == "mountaincar") return any_course<Device>(c, MountainCar<float>{}, watch);
  if (c.environment == "acrobot") return any_course<Device>(c, Acrobot<float>{}, watch);
  if (c.environment == "cliff") return any_course<Device>(c, Cliff{.steps = 200}, watch);
  return any_course<Device>(c, DeepSea{.side = c.side, .map = 1}, watch);
}

template Course tensor_course<TENZO_DEVICE>(const Control&, const Watch&);

}  // namespace dqn
