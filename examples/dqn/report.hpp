// The study's page and figures.
#pragma once

#include <string>
#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace dqn {

/// Writes metrics.json and report.html into the folder.
///   episodes  animated PNGs with what they show, for the page
void write_report(const Options& o, const Results& r, const std::vector<tenzo::Claim>& verdicts,
                  const std::vector<std::pair<std::string, std::string>>& episodes, double seconds);

}  // namespace dqn
