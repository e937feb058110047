// What a run of smug is asked for, and the sizes that follow.
#pragma once

#include <cstdint>
#include <string>

#include "tenzo/io/device_option.hpp"
#include "tenzo/mri/masks.hpp"

namespace smug {

struct Options {
  bool full = false, resume = false;
  std::string data;  // a folder of volumes or scans; empty: what scripts/fetch brings
  std::string out = "smug-out", denoiser = "cnn";
  tenzo::mri::MaskKind mask = tenzo::mri::MaskKind::variable_density;
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: three
  int threads = 0;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

/// How large everything is; these are the sizes of --quick.
struct Sizes {
  std::int64_t width = 64, coils = 4;  // images are width x width
  double acceleration = 4, noise = 0.005, lambda = 1;
  int steps = 5;               // unrolled steps
  std::int64_t channels = 12;  // of the denoiser
  double sigma = 0.05;
  int samples = 2, judged_samples = 4;  // of the mean over noise: in training, and where methods are judged
  int attack_samples = 4;               // at most, of an attack's gradient, anew for each step
  std::int64_t base_steps = 2200, tuning_steps = 300;
  double base_lr = 3e-3, tuning_lr = 4e-3;
  std::int64_t test_slices = 4;
  std::uint64_t masks = 1;  // that each acceleration is judged by

  static Sizes of(bool full);
};

}  // namespace smug
