// A zeroth-order fine-tuning run: its settings as a log's header, one step after another, and its replay.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "scoring.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/optim/schedule.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/log.hpp"
#include "tenzo/zo/optimizers.hpp"

namespace zo_llm {

/// What decides a run's bits beside the base model and the slopes. Written to the log, read by a replay.
struct ZoSettings {
  std::string method = "zo-sgd";
  tenzo::AdapterOptions adapters;
  tenzo::WeightFormat format = tenzo::WeightFormat::f32;
  tenzo::zo::RgeOptions probe;
  tenzo::zo::UpdateOptions update;
  tenzo::Schedule schedule;
  std::vector<tenzo::zo::LeafRange> blocks;  // empty: the whole model is one block
  std::uint64_t seed = 1, base = 0;          // base: hash of the model's file

  int slopes() const { return blocks.empty() ? probe.queries : int(blocks.size()); }
  tenzo::zo::LogHeader header() const;
  /// Throws FileError (with the log's path) where the header is incomplete or of another base model.
  static ZoSettings from_header(const tenzo::zo::LogHeader& header, std::uint64_t base, const std::string& path);
};

/// The state of a run: the model's weights and the optimizer's buffers, both functions of base, settings and slopes.
class ZoRun {
 public:
  ZoRun(Model& model, ZoSettings settings);

  const ZoSettings& settings() const { return settings_; }
  ZoSettings& settings() { return settings_; }
  std::uint32_t step() const { return step_; }
  const std::vector<std::uint8_t>& trained() const { return trained_; }
  std::int64_t trained_weights() const { return trained_weights_; }

  struct Outcome {
    tenzo::zo::LogStep record;
    double loss = 0;
    std::int64_t forwards = 0;
    bool skipped = false;  // the loss was not finite: nothing was changed
  };
  /// Estimates on a batch; nothing is changed yet, so that the record can be written first.
  Outcome estimate(const std::vector<const tenzo::EncodedExample*>& batch, tenzo::TaskLoss kind) const;
  /// Applies a step's slopes. All that a replay does.
  void apply(const tenzo::zo::LogStep& record);

  /// Loss on a batch at the current weights.
  double loss(const std::vector<const tenzo::EncodedExample*>& batch, tenzo::TaskLoss kind) const;

 private:
  tenzo::zo::Direction direction(std::uint32_t query, tenzo::zo::LeafRange range = {}) const;
  tenzo::zo::Estimate from_record(const tenzo::zo::LogStep& record) const;

  Model& model_;
  ZoSettings settings_;
  std::vector<std::uint8_t> trained_;
  std::int64_t trained_weights_ = 0;
  tenzo::zo::UpdateState state_;
  std::uint32_t step_ = 0;
};

/// Makes the trained leaves writable copies of their own; frozen ones stay as they are, in the file perhaps.
void own_trained_leaves(Model& model, const std::vector<std::uint8_t>& trained);

/// Radius and step size by rule (zo-llm section 6.2): ε so that a probe changes the loss by a few parts in a thousand, η so
/// that a step moves the trained weights by about a thousandth of their norm. Only what is asked for is changed.
void choose_rates(ZoRun& run, const std::vector<std::vector<const tenzo::EncodedExample*>>& batches, tenzo::TaskLoss kind,
                  const Model& model, bool choose_eps, bool choose_lr);

}  // namespace zo_llm
