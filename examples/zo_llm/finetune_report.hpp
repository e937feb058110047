// The report of one fine-tuning: `zo_llm finetune --out DIR`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files.hpp"
#include "history.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "scoring.hpp"

namespace zo_llm {

/// What a run has to tell when it has ended.
struct FinetuneResult {
  const Finetune& options;
  const EncodedTask& task;
  const History& history;
  const Scores &before, &after;  // of the test examples
  double lr = 0, eps = 0;        // eps: 0 where nothing is perturbed
  std::int64_t trained_weights = 0;
  MemoryEstimate memory, memory_of_adam;  // predicted for this run, and for Adam in its place
  double program = 0;                     // bytes resident before anything was loaded
  double seconds = 0, peak = 0;
};

/// Writes metrics.json and report.html into options.out, each as a whole.
void write_finetune_report(const FinetuneResult& r);

}  // namespace zo_llm
