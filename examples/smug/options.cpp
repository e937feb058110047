#include "options.hpp"

namespace smug {

Sizes Sizes::of(bool full) {
  Sizes s;
  if (full) {
    s.width = 96, s.coils = 8, s.steps = 6, s.channels = 24, s.judged_samples = 5, s.attack_samples = 2;
    s.base_steps = 1500, s.tuning_steps = 220, s.base_lr = 2e-3, s.tuning_lr = 2e-3;
    s.masks = 2;
  }
  return s;
}

}  // namespace smug
