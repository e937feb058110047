// Claims about figures that were measured on several seeds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

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

/// Prints a claim: how it came out, with its interval where there is one, and why.
inline void print(const tenzo::Claim& c) {
  std::printf("%-4s %-9s %s\n", c.id.c_str(), c.holds ? "holds" : "fails", c.statement.c_str());
  if (!std::isnan(c.ci95[0]))
    std::printf("     %s (%s to %s), wanted %s %s.\n", points(c.value).c_str(), points(c.ci95[0]).c_str(),
                points(c.ci95[1]).c_str(), c.relation.c_str(), points(c.threshold).c_str());
  std::printf("     %s\n", c.reason.c_str());
}

/// Seed by seed, as far as both go.
inline std::vector<double> minus(std::span<const double> a, std::span<const double> b) {
  std::vector<double> d(std::min(a.size(), b.size()));
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = a[i] - b[i];
  return d;
}

}  // namespace program_claims
