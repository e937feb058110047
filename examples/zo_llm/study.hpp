// The study behind the claims: one model, one task, the last blocks trained by any method under any scheme.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "claims.hpp"
#include "files.hpp"
#include "scoring.hpp"
#include "tenzo/models/scoring.hpp"

namespace zo_llm {

/// What one fine-tuning is to be.
struct Plan {
  std::string method = "zo-sgd", scheme = "full";
  std::uint64_t seed = 1;
  std::int64_t steps = 150, batch = 16;
  double lr_factor = 1;        // times what the rule chooses
  bool judged = true;          // selection on dev, figures of test
  std::int64_t watched = 0;    // every so many steps: by how much the batch's loss rose; and the loss before and after
  std::int64_t probes = 8;     // batches that the rates are chosen by
  bool decays = false;         // the step size falls to zero in a straight line
  double lr = NAN, eps = NAN;  // of a zeroth-order run, times lr_factor; NaN: the rule chooses
};

/// What it cost and what it brought.
struct Outcome {
  std::string method, scheme;
  std::uint64_t seed = 1;
  std::vector<std::array<double, 3>> curve;  // forwards, seconds, smoothed loss
  bool judged = false;
  tenzo::ScoreSummary test;
  std::vector<double> margins;  // of the test examples
  double lr = 0, eps = 0, stayed = 0, forward_share = 0, largest_rise = 0, forwards_a_step = 0;
  double before = 0, after = 0;  // of a watched run: the loss of its first two batches, infinite where it has no value
  std::int64_t steps = 0;
};

void to_json(nlohmann::json& j, const Outcome& o);
void from_json(const nlohmann::json& j, Outcome& o);

/// Examples to train on, to choose by and to judge by.
tenzo::SplitOptions study_split(bool full);

/// The last four blocks are trained, or the whole prompt or head; hidden states that do not change are computed once.
class Study {
 public:
  explicit Study(const Claims& o);

  const EncodedTask& task() const { return task_; }
  const Scores& zero_shot() const { return zero_shot_; }

  /// Fine-tunes a copy of what is trained.
  Outcome fine_tune(const Plan& plan);

 private:
  /// The base model with weights of its own: of the last blocks, or all.
  Model copy(bool whole) const;
  std::shared_ptr<HiddenCache> cache_of(tenzo::Scheme scheme, const std::string& method) const;

  tenzo::LanguageModel base_;
  tenzo::DeviceOption device_;
  EncodedTask task_;
  std::size_t first_ = 0;
  std::shared_ptr<HiddenCache> before_blocks_, before_head_;
  Scores zero_shot_;
};

}  // namespace zo_llm
