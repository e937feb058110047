// A zeroth-order fine-tuning run: its settings as a log's header, one step after another, and its replay.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "run.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/language_model.hpp"
#include "tenzo/optim/schedule.hpp"
#include "tenzo/zo/blocks.hpp"
#include "tenzo/zo/log.hpp"
#include "tenzo/zo/masks.hpp"
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
  tenzo::zo::MaskRule mask;
  std::vector<tenzo::zo::LeafRange> blocks;  // empty: the whole model is one block
  tenzo::zo::BlockOrder order = tenzo::zo::BlockOrder::jacobi;
  std::uint64_t seed = 1, base = 0;  // base: hash of the model's file
  tenzo::zo::LogHeader data;         // what the slopes were measured on: compared on resume, nothing to a replay

  int slopes() const { return blocks.empty() ? probe.queries : int(blocks.size()); }
  tenzo::zo::LogHeader header() const;
  /// Throws FileError (with the log's path) where the header is incomplete or of another base model.
  static ZoSettings from_header(const tenzo::zo::LogHeader& header, std::uint64_t base, const std::string& path);
};

/// A zeroth-order run. Its state is the model's weights and the optimizer's buffers, both functions of the base model,
/// the settings and the slopes of the steps: the log of the slopes is all that a checkpoint needs.
class ZoRun : public Run {
 public:
  /// `rebuild` makes the base model anew, for returning to an earlier step; `log` is the file of the slopes, or empty;
  /// a `cache` may be shared with other runs that train the same blocks.
  ZoRun(Placed& model, ZoSettings settings, std::function<Model()> rebuild = {}, std::string log = {},
        std::shared_ptr<HiddenCache> cache = {});

  const ZoSettings& settings() const { return settings_; }
  ZoSettings& settings() { return settings_; }
  const std::vector<std::uint8_t>& trained() const { return trained_; }
  /// Those that a mask leaves out are not counted.
  std::int64_t trained_weights() const { return trained_weights_; }

  /// Slopes on a batch, all at the present weights; nothing is changed yet, so that they can be written down first.
  struct Probed {
    tenzo::zo::LogStep record;
    StepReport report;
  };
  Probed probe(const Batch& batch, tenzo::TaskLoss kind);
  /// The loss at the present weights.
  double loss_at(const Batch& batch, tenzo::TaskLoss kind);
  /// What the conservative method chose last: 1 for −η ĝ, −1 for +η ĝ, 0 to stay.
  int last_choice() const { return choice_; }
  /// Applies a step's slopes: all that a replay does.
  void apply(const tenzo::zo::LogStep& record);

  Rates rates() const override {
    return {settings_.update.lr, settings_.method == "forward-grad" ? 0 : settings_.probe.eps, trained_weights_};
  }
  std::uint32_t step_number() const override { return step_; }
  /// For a run without a log of its own, whose weights somebody else restores.
  void set_step_number(std::uint32_t n);
  StepReport step(const Batch& batch, tenzo::TaskLoss kind) override;
  void checkpoint() override { writer_.sync(); }
  bool resume() override;
  void mark_best() override { best_ = step_; }
  void mark_best_at(std::uint32_t step) override;
  void return_to_best() override;

 private:
  tenzo::zo::Direction direction(std::uint32_t query) const;
  tenzo::zo::Estimate estimate_of(const std::vector<double>& slopes) const;
  double forward_slope(const tenzo::zo::Direction& d, const Batch& batch, tenzo::TaskLoss kind, double& loss) const;
  /// Slopes in Gauss-Seidel order: each block has moved when the next one is probed.
  Probed sweep(const Batch& batch, tenzo::TaskLoss kind);
  void move_block(std::size_t block, const tenzo::zo::Estimate& g);
  /// One step of the optimizer on these leaves.
  void move(const std::vector<std::uint8_t>& leaves, const tenzo::zo::Estimate& g);
  template <class F>
  auto with_losses(const Batch& batch, tenzo::TaskLoss kind, F&& f);
  void set_up();

  Placed& model_;
  ZoSettings settings_;
  std::function<Model()> rebuild_;
  std::string log_;
  tenzo::zo::LogWriter writer_;
  std::vector<tenzo::zo::LogStep> history_;
  std::shared_ptr<HiddenCache> cache_;
  std::vector<std::uint8_t> trained_;
  std::int64_t trained_weights_ = 0;
  OnEachDevice<tenzo::zo::UpdateStateOn> states_;
  std::uint32_t step_ = 0, best_ = 0;
  int choice_ = 1;
};

/// Makes the trained leaves writable copies of their own; frozen ones stay as they are, in the file perhaps.
void own_trained_leaves(Model& model, const std::vector<std::uint8_t>& trained);

/// Radius and step size by rule, where they are NaN: ε so that a probe changes the loss by a few parts in a thousand
/// (zo-llm section 6.2); η so that a step lowers the loss by two parts in a hundred to first order, η E[s²] = 0.02 ℓ
/// with the slopes s of probes along independent directions, and moves a weight by a hundredth of their size at most,
/// one of LoRA by a thousandth.
///   The slopes of one direction would not do: they are ‖g‖ times one normal number.
void choose_rates(ZoRun& run, const std::vector<Batch>& batches, tenzo::TaskLoss kind, const Model& model);

/// A number as text that reads back as the same number.
std::string exact(double x);

/// Throws FileError where a run's settings are not those of the one to go on with, with the first that differs.
void check_same_settings(const tenzo::zo::LogHeader& was, const tenzo::zo::LogHeader& now, const std::string& path);

}  // namespace zo_llm
