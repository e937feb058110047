// How sure the figures of a test are: intervals of each, and of their change on the same examples.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scoring.hpp"
#include "tenzo/stats/interval.hpp"

namespace zo_llm {

using tenzo::Measured;

/// A figure before and after training, and its change on the same examples with the probability of one at least as
/// large, were there none.
struct Comparison {
  std::string name;
  Measured before, after, change;
  double p = NAN;
};

/// A share of n cases.
///   Source  Wilson 1927.
Measured proportion(double successes, double n);

/// Probability of at least this unequal a split of a + b fair draws; two-sided.
///   Source  McNemar's test, exact.
double sign_test(double a, double b);

/// Area under the ROC curve of margins, from one list or as the change between two on the same examples.
///   Source  DeLong, DeLong, Clarke-Pearson 1988.
struct Roc {
  std::vector<double> of_positive, of_negative;  // share of the others that each example is on the right side of

  Roc(std::span<const double> margins, std::span<const int> labels);
  Measured area() const;
};
Measured change_of_area(const Roc& before, const Roc& after);

/// Accuracy, calibrated accuracy, AUC and loss of the same examples before and after; the last without the two in the
/// middle where there are other than two candidates.
std::vector<Comparison> compare(const Scores& before, const Scores& after);

}  // namespace zo_llm
