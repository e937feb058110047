#include "control_of.hpp"
#include "tenzo/rl/environments/cart_pole.hpp"

namespace dqn {

Course cartpole_course(const Control& c, const Watch& watch) {
  const CartPole<float> cart;
  return c.hidden == std::vector<std::int64_t>{64, 64} ? fixed_course<64, 4, 64, 64, 2>(c, cart, watch)
                                                       : fixed_course<128, 4, 120, 84, 2>(c, cart, watch);
}

}  // namespace dqn
