// A fine-tuning run, whatever its method: one step after another, checkpoints, and the best point so far.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scoring.hpp"

namespace zo_llm {

using Batch = std::vector<const tenzo::EncodedExample*>;

struct StepReport {
  double loss = 0;
  std::int64_t forwards = 0;  // passes of the batch through the model; a backward pass counts as two
  bool skipped = false;       // the loss was not finite: nothing was changed
};

/// How far a run goes in a step, and what it trains.
struct Rates {
  double lr = 0, eps = 0;  // eps: 0 where nothing is perturbed
  std::int64_t trained_weights = 0;
};

class Run {
 public:
  virtual ~Run() = default;

  virtual Rates rates() const = 0;

  virtual std::uint32_t step_number() const = 0;
  virtual StepReport step(const Batch& batch, tenzo::TaskLoss kind) = 0;

  /// Makes what was done so far survive a crash. Goes on from there; returns whether there was something to go on from.
  virtual void checkpoint() = 0;
  virtual bool resume() = 0;

  /// Marks the present weights as the best so far; brings the marked ones back. A resumed run says which step was
  /// marked.
  virtual void mark_best() = 0;
  virtual void mark_best_at(std::uint32_t step) = 0;
  virtual void return_to_best() = 0;
};

}  // namespace zo_llm
