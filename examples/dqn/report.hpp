// The study's page and figures.
#pragma once

#include <string>
#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace dqn {

/// Bytes of a PNG with what it shows in words.
struct Shown {
  std::string png, caption;
};

/// Writes metrics.json and report.html into the folder.
///   cartpole, game  pictures of episodes
void write_report(const Options& o, const Results& r, const std::vector<tenzo::Claim>& verdicts,
                  const std::vector<Shown>& cartpole, const std::vector<Shown>& game, double seconds);

}  // namespace dqn
