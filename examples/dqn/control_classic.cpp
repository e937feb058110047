#include "control_of.hpp"
#include "tenzo/rl/environments/acrobot.hpp"
#include "tenzo/rl/environments/mountain_car.hpp"

namespace dqn {

Course classic_course(const Control& c, const Watch& watch) {
  return c.environment == "acrobot" ? fixed_course<128, 6, 120, 84, 3>(c, Acrobot<float>{}, watch)
                                    : fixed_course<128, 2, 120, 84, 3>(c, MountainCar<float>{}, watch);
}

}  // namespace dqn
