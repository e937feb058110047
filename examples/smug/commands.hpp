// Runs of one's own: a network trained and kept in a file, and attacked.
#pragma once

#include <set>
#include <string>

#include "options.hpp"

namespace smug {

struct Train : Options {
  std::string method = "SMUG", save = "network.safetensors";
  double acceleration = Sizes{}.acceleration, sigma = Sizes{}.sigma, lr = Sizes{}.base_lr,
         tuning_lr = Sizes{}.tuning_lr;
  int steps = Sizes{}.steps, samples = Sizes{}.judged_samples;
  std::int64_t iterations = Sizes{}.base_steps, tuning = Sizes{}.tuning_steps;
  std::int64_t width = Sizes{}.width, coils = Sizes{}.coils, channels = Sizes{}.channels;
};
int train(const Train& o);

/// What of `Train` the command line does not say is the network file's.
struct Attack : Train {
  std::set<std::string> given;  // by the command line: "sigma", "steps", …
  std::string model, domain = "kspace", norm = "l2";
  double eps = 0.2;  // l2: a share of ‖y‖; l∞: in units of the image
  int iterations_of_attack = 10, draws = 1, restarts = 1;
  bool masked = false;
};
int attack(const Attack& o);

}  // namespace smug
