// Runs of one's own: a network trained and kept in a file, and attacked.
#pragma once

#include <set>
#include <string>

#include "options.hpp"

namespace smug {

struct Train : Options {
  std::string method = "SMUG", save = "network.safetensors";
  double acceleration = 4, sigma = 0.05, lr = 2e-3, tuning_lr = 2e-3;
  int steps = 5, samples = 4;
  std::int64_t iterations = 1500, tuning = 300, width = 64, coils = 4, channels = 16;
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
