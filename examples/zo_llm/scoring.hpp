// Scores of a task's examples under a model, whatever format its weights are in.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "placed.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/scoring.hpp"

namespace zo_llm {

struct Scores {
  std::vector<double> values;  // (examples, candidates)
  std::vector<int> labels;
  std::int64_t candidates = 0;

  tenzo::ScoreSummary summary() const { return tenzo::summarise_scores(values, labels, candidates); }
};

/// Throws FileError unless all of what a model gives is finite.
template <class Values>
void check_finite(const std::string& model, const Values& scores) {
  const auto wrong = std::count_if(scores.begin(), scores.end(), [](double x) { return !std::isfinite(x); });
  if (wrong > 0)
    throw tenzo::FileError(
        model, -1,
        tenzo::cat(wrong, " of ", scores.size(), " scores are not finite: weights are damaged, or too large"));
}

/// Hidden states before the first trained block, which are the same at all steps: computed once an example, where that
/// block is not the first. May be shared by runs that train the same blocks of the same model.
class HiddenCache {
 public:
  HiddenCache(std::size_t from, bool keep) : from_(from), keep_(keep) {}
  std::size_t from() const { return from_; }

  /// (tokens, hidden) of a batch before block `from`, on the host.
  tenzo::Tensor<float> states(const Placed& model, std::span<const tenzo::EncodedExample* const> examples,
                              const tenzo::ScoringBatch<tenzo::LlamaBatch>& batch);

 private:
  std::size_t from_;
  bool keep_;
  std::map<const tenzo::EncodedExample*, tenzo::Tensor<float>> kept_;
};

/// Scores all candidates of the examples; `watch(done)` is called now and then.
Scores score_examples(const Placed& model, const std::vector<tenzo::EncodedExample>& examples,
                      const std::function<void(std::int64_t)>& watch = {}, HiddenCache* cache = nullptr);

}  // namespace zo_llm
