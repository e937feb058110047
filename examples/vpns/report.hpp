// metrics.json and report.html of a study.
#pragma once

#include <vector>

#include "study.hpp"
#include "tenzo/io/claim.hpp"

namespace vpns {

/// What is shown of the data: samples of the target on the network's canvas.
struct Shown {
  std::int64_t channels = 1, image = 32, weights = 0;
  std::vector<std::string> target_classes = {}, source_classes = {};
  std::string source = {}, target = {};
  std::vector<std::vector<float>> samples = {};  // (channels, image, image) each
};

void write_report(const Options& o, const Shown& shown, const Results& r, const std::vector<tenzo::Claim>& verdicts,
                  double seconds);

}  // namespace vpns
