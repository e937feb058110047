// First-order fine-tuning (SGD, Adam), and the hybrid of both: back-propagation in the last blocks, zeroth-order
// estimates in the others.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "run.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"
#include "zo_run.hpp"

namespace zo_llm {

/// Whether a method back-propagates, in some of the blocks at least.
inline bool back_propagates(std::string_view method) {
  return method == "sgd" || method == "adam" || method == "hybrid";
}

struct FoSettings {
  std::string method = "adam";  // sgd, adam, hybrid
  tenzo::AdapterOptions adapters;
  tenzo::Sgd sgd;
  tenzo::Adam adam;
  tenzo::Schedule schedule;
  std::uint64_t seed = 1, base = 0;
  std::size_t suffix = 0;  // hybrid: blocks from here on are trained by back-propagation, the others by `zo`
  ZoSettings zo;
};

/// Weights are floats; gradients and optimizer states are as large as what is trained. Checkpoints hold all of it.
class FoRun : public Run {
 public:
  FoRun(Placed& model, FoSettings settings, std::string checkpoint = {}, std::shared_ptr<HiddenCache> cache = {});

  std::int64_t trained_weights() const { return trained_weights_; }
  FoSettings& settings() { return settings_; }
  /// Norm of the trained weights, and root mean square of the gradient's elements on a batch: for choosing a step size.
  std::pair<double, double> scales(const Batch& batch, tenzo::TaskLoss kind);

  /// Chooses the step size: Adam moves each weight by about lr a step, SGD by lr times the gradient; both by 2e-4 of
  /// the weights' norm, times `factor`.
  void choose_rate(const Batch& batch, tenzo::TaskLoss kind, double factor = 1);
  /// Of the hybrid's zeroth-order blocks: chooses the rates that are NaN, by the rule for such runs.
  void choose_zo_rates(const std::vector<Batch>& batches, tenzo::TaskLoss kind);

  Rates rates() const override {
    return {settings_.method == "sgd" ? settings_.sgd.lr : settings_.adam.lr, zo_ ? zo_->settings().probe.eps : 0,
            trained_weights_ + (zo_ ? zo_->trained_weights() : 0)};
  }
  double zo_lr() const { return zo_ ? zo_->settings().update.lr : 0; }
  std::uint32_t step_number() const override { return step_; }
  StepReport step(const Batch& batch, tenzo::TaskLoss kind) override;
  void checkpoint() override;
  bool resume() override;
  void mark_best() override;
  void mark_best_at(std::uint32_t step) override;
  void return_to_best() override;

 private:
  /// What is trained by back-propagation, on a device.
  template <class D>
  struct Trees {
    using Weights = tenzo::Llama<tenzo::Tensor<float, D>>;
    Weights weights;  // the model's memory, as tensors
    tenzo::Sgd::State<Weights> sgd;
    tenzo::Adam::State<Weights> adam;
    Weights best;
  };
  /// f(trees) with those of the device in use.
  template <class F>
  decltype(auto) with_trees(F&& f) {
    return model_.visit([&](auto& m) -> decltype(auto) { return f(trees_.of<device_of<decltype(m)>>()); });
  }

  template <class D>
  tenzo::ValueAnd<tenzo::Tensor<float, D>, typename Trees<D>::Weights> gradient(const Trees<D>& t, const Batch& batch,
                                                                                tenzo::TaskLoss kind);
  template <class D>
  StepReport step(Trees<D>& t, const Batch& batch, tenzo::TaskLoss kind);
  template <class D>
  void apply(Trees<D>& t, const typename Trees<D>::Weights& gradient);
  /// The weights marked at a step lie beside the checkpoint. A run that goes on from an older step needs older marks.
  std::string mark_file(std::uint32_t step) const;
  /// What decides the bits of the run.
  tenzo::zo::LogHeader description() const;

  Placed& model_;
  FoSettings settings_;
  std::string file_;
  std::vector<std::uint8_t> trained_;  // by back-propagation
  std::int64_t trained_weights_ = 0;
  OnEachDevice<Trees> trees_;
  std::unique_ptr<ZoRun> zo_;  // of the prefix, for hybrid
  std::shared_ptr<HiddenCache> cache_;
  std::uint32_t step_ = 0, best_step_ = 0;
};

}  // namespace zo_llm
