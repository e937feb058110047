// Claims about figures that were measured on several seeds.
#pragma once

#include <span>
#include <string>

#include "tenzo/io/claim.hpp"
#include "tenzo/stats/interval.hpp"
#include "text.hpp"

namespace program_claims {

inline std::string points(double x) { return program_text::fixed(x, 2); }

/// A claim about the mean over seeds: it holds where that is on the right side of the threshold.
///   relation   "≥", ">" or "≤"
inline tenzo::Claim about(const std::string& id, const std::string& statement, std::span<const double> x,
                          const std::string& relation, double threshold) {
  const tenzo::Measured m = tenzo::mean_interval(x);
  tenzo::Claim c{.id = id,
                 .statement = statement,
                 .value = m.value,
                 .threshold = threshold,
                 .seeds = int(x.size()),
                 .ci95 = {m.low, m.high},
                 .relation = relation};
  c.holds = relation == "≥" ? m.value >= threshold : relation == ">" ? m.value > threshold : m.value <= threshold;
  return c;
}

}  // namespace program_claims
