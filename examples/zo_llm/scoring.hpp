// Scores of a task's examples under a model, whatever format its weights are in.
#pragma once

#include <functional>
#include <vector>

#include "tenzo/models/adapters.hpp"
#include "tenzo/models/scoring.hpp"

namespace zo_llm {

using Model = tenzo::Llama<tenzo::StoredTensor>;

struct Scores {
  std::vector<double> values;  // (examples, candidates)
  std::vector<int> labels;
  std::int64_t candidates = 0;

  tenzo::ScoreSummary summary() const { return tenzo::summarise_scores(values, labels, candidates); }
};

/// Scores all candidates of the examples; `watch(done)` is called now and then.
Scores score_examples(const Model& model, const std::vector<tenzo::EncodedExample>& examples,
                      const std::function<void(std::int64_t)>& watch = {});

}  // namespace zo_llm
