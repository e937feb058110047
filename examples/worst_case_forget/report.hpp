// The report of a run, as a page and as numbers.
#pragma once

#include <string>
#include <vector>

#include "claims.hpp"

namespace worst_case {

/// Writes metrics.json and report.html into the folder of the options.
///   size   how many weights the network has
void write_report(const Options& o, const tenzo::DataSet& data, const Recipe& recipe, std::int64_t size,
                  const Results& r, const std::vector<tenzo::Claim>& verdicts, double seconds);

}  // namespace worst_case
