// The report of a run, as a page and as numbers.
#pragma once

#include <string>
#include <vector>

#include "claims.hpp"

namespace smug {

/// Writes metrics.json and report.html into the folder of the options. Claims and figures of `smug certify` that a
/// metrics.json of the same mode and seed there holds are kept in it.
void write_report(const Options& o, const Sizes& s, const std::string& data, std::int64_t weights, const Results& r,
                  const std::vector<tenzo::Claim>& verdicts, double seconds);

}  // namespace smug
