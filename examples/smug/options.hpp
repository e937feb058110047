// What a run of smug is asked for, and the sizes that follow.
#pragma once

#include <cstdint>
#include <string>

#include "tenzo/io/device_option.hpp"

namespace smug {

struct Options {
  bool full = false, resume = false;
  std::string data;  // a folder of volumes or scans; empty: what scripts/fetch brings
  std::string out = "smug-out", denoiser = "cnn";
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: three
  int threads = 0;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

/// How large everything is.
struct Sizes {
  std::int64_t width = 64, coils = 4;  // images are width x width
  double acceleration = 4, noise = 0.005, lambda = 1;
  int steps = 5;               // unrolled steps
  std::int64_t channels = 16;  // of the denoiser
  double sigma = 0.05;
  int samples = 2, judged_samples = 4;  // of the mean over noise: in training, and where methods are judged
  std::int64_t base_steps = 900, tuning_steps = 600;
  double base_lr = 2e-3, tuning_lr = 2e-3;
  std::int64_t test_slices = 4;

  static Sizes of(bool full) {
    Sizes s;
    if (full) {
      s.width = 96, s.coils = 8, s.steps = 6, s.channels = 24, s.samples = 5, s.judged_samples = 10;
      s.base_steps = 4000, s.tuning_steps = 400, s.test_slices = 8;
    }
    return s;
  }
};

}  // namespace smug
