// The optimizer that a user names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/radam.hpp"
#include "tenzo/optim/rmsprop.hpp"

namespace dqn {

inline const std::vector<std::string>& optimizers() {
  static const std::vector<std::string> names{"adam", "radam", "rmsprop"};
  return names;
}

/// Adam, rectified Adam, or centred RMSprop as MinAtar's agents have it.
struct NamedOptimizer {
  double lr = 1e-3;
  std::string name = "adam";  // one of optimizers(); radam is for the CPU

  template <tenzo::Tree Model>
  struct State {
    std::int64_t step = 0;
    Model first, second;
  };

  template <tenzo::Tree Model>
  void step(State<Model>& s, Model& model, const Model& gradient, double lr_factor = 1) const {
    using namespace tenzo;
    if (name == "rmsprop") {
      const RmsProp o{.lr = lr, .alpha = 0.95, .eps = 0.01, .centered = true};
      RmsProp::State<Model> now{s.step, std::move(s.first), std::move(s.second)};
      o.step(now, model, gradient, lr_factor);
      s = {now.step, std::move(now.square), std::move(now.mean)};
    } else if (name == "radam") {
      if constexpr (HostDevice<device_t<leaf_t<Model>>>) {
        RAdam::State<Model> now{s.step, std::move(s.first), std::move(s.second)};
        RAdam{.lr = lr}.step(now, model, gradient, lr_factor);
        s = {now.step, std::move(now.first), std::move(now.second)};
      } else {
        throw ValueError("radam is for the CPU");
      }
    } else {
      Adam::State<Model> now{s.step, std::move(s.first), std::move(s.second), {}};
      Adam{.lr = lr}.step(now, model, gradient, lr_factor);
      s = {now.step, std::move(now.first), std::move(now.second)};
    }
  }
};

}  // namespace dqn
