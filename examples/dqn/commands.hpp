// What the subcommands do.
#pragma once

#include <string>

#include "study.hpp"

namespace dqn {

/// Fitted iterations on processes; prints the errors, and writes them to `save` as CSV unless that is empty.
///   Each returns the status to end with.
int convergence(const Fitted& o, const std::string& save);

struct ControlCommand {
  Control run;
  int seeds = 1;
  std::string out = "dqn-control", hidden, render;  // folder; widths with commas between them; file of an episode
};

/// Trains agents with these seeds side by side: weights, logs and checkpoints in the folder.
int control(const ControlCommand& o);

}  // namespace dqn
