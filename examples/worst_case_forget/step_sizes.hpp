// The rule by which a method is given its step size, apart from the trials that it judges.
#pragma once

#include <cmath>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "tenzo/unlearn/evaluation.hpp"

namespace worst_case {

/// What a step size gave on random forget sets: means over seeds, in percent.
struct Tried {
  double gap = 0;         // to retraining
  double ua = 0, ra = 0;  // of the forget set (its error) and of the samples that are kept
};

struct StepSize {
  double lr = 0;
  bool within_limits = true;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(StepSize, lr, within_limits)
};

/// The step size of least gap among those within limits, of all where none is. The limits are ours, the paper has the
/// least gap alone, at which methods barely forget or harm: a method that relabels has to forget, its UA being that of
/// the retrained model or more; any other has to keep RA within half a point of the retrained model's.
///   tried    by step size; one that diverged has a gap that is no number
///   exact    figures after retraining, means over the same seeds
///   Returns  nothing where all diverged
inline std::optional<StepSize> least_gap(const std::map<double, Tried>& tried, const tenzo::unlearn::Evaluation& exact,
                                         bool relabels) {
  std::optional<StepSize> best;
  double least = INFINITY;
  for (const bool limited : {true, false}) {
    for (const auto& [lr, t] : tried) {
      const bool within = relabels ? t.ua >= exact.ua : t.ra >= exact.ra - 0.5;
      if ((within || !limited) && t.gap < least) least = t.gap, best = StepSize{.lr = lr, .within_limits = within};
    }
    if (best) break;
  }
  return best;
}

}  // namespace worst_case
