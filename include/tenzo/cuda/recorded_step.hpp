// A whole zeroth-order step as one CUDA graph: what is launched for each step is a single call, and the host is asked
// for nothing between the probe and the update.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tenzo/cuda/descent.hpp"
#include "tenzo/cuda/weights.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::cuda {

/// Records what `work` asks of the current stream, and does none of it. It may not wait for anything.
template <std::same_as<Device> D>
std::shared_ptr<const void> record(D, const std::function<void()>& work);
/// Does what was recorded, in the order of the current stream.
template <std::same_as<Device> D>
void launch_recorded(D, const std::shared_ptr<const void>& graph);

/// From the losses (queries, 2) at θ ± eps u: slopes[q] = (l₀ − l₁) / 2 eps, and the first factor of each term of `to`
/// becomes −rate weight slope, rounded as the CPU does; 0 for all terms where a loss is not finite.
///   `rate` in the GPU's memory.
template <std::same_as<Device> D>
void terms_of_losses(D, std::int64_t queries, const float* losses, double eps, double weight, const double* rate,
                     double* slopes, const TermBuffer& to);

/// Steps of ZO-SGD on one batch: two-sided probes of Gaussian or Rademacher directions, then θ ← θ − η ĝ.
///   The first call records, so it takes longer. Each step has the bits of rge and apply_estimate_ on this device, but
///   for a weight of −0 where a loss is not finite.
template <template <class> class M, class Loss>
class RecordedStep {
  using V = zo::Probe<float, Device>;

 public:
  /// `loss(m)` of a model of probes is recorded once: it reads the same batch in all steps. The model and the batch are
  /// to outlive this, and to stay as they are: what is recorded are addresses on the GPU. Throws ValueError for
  /// directions or updates of another kind.
  RecordedStep(M<StoredTensor>& model, Loss loss, const zo::RgeOptions& probe, const zo::UpdateOptions& update,
               std::vector<std::uint8_t> trained = {})
      : model_(model),
        loss_(std::move(loss)),
        probe_(probe),
        options_(update),
        trained_(std::move(trained)),
        update_(Device{}, probe.queries),
        losses_(Shape{probe.queries, 2}),
        slopes_(Shape{probe.queries}),
        rate_(Shape{1}) {
    require(probe.eps > 0, "recorded step: the radius eps is ", probe.eps, "; want a positive number");
    require(probe.queries > 0 && probe.two_sided && probe.rank == 0 &&
                (probe.law == zo::DirectionLaw::gaussian || probe.law == zo::DirectionLaw::rademacher),
            "recorded step: want two-sided probes of gaussian or rademacher directions");
    require(update.rule == zo::UpdateRule::sgd && update.weight_decay == 0,
            "recorded step: want sgd without weight decay");
    for (int q = 0; q < probe.queries; ++q) points_.emplace_back(Device{}, 1);
  }
  RecordedStep(const RecordedStep&) = delete;
  RecordedStep& operator=(const RecordedStep&) = delete;

  /// The step of a number, with the estimate that it took.
  zo::Estimate operator()(std::uint64_t seed, std::uint32_t step, double lr_factor = 1) {
    std::vector<zo::Direction> directions;
    std::vector<DirectionTerm> terms;
    for (int q = 0; q < probe_.queries; ++q) {
      directions.push_back(probe_.direction(seed, step, std::uint32_t(q)));
      const DirectionTerm t{.key = {seed, step, std::uint32_t(q), 0},
                            .law = zo::detail::noise_law(directions.back()),
                            .factor = {probe_.eps, -probe_.eps}};
      points_[std::size_t(q)].write(std::span(&t, 1));
      terms.push_back(t);
    }
    update_.write(terms);
    const double rate = options_.lr * lr_factor;
    copy_from_host(Device{}, 1, &rate, rate_.data());
    if (!graph_) {
      std::vector<zo::LeafUpdate<StoredTensor>> leaves;
      std::uint32_t leaf = 0;
      for_each_leaf(
          [&](const Path&, StoredTensor& w) {
            const std::uint32_t n = leaf++;
            if (trained_.empty() || (n < trained_.size() && trained_[n])) leaves.push_back({&w, n});
          },
          model_);
      const zo::Direction like = probe_.direction(0, 0, 0);
      tables_ = detail::leaf_tables(Device{}, leaves, &like);
      probe();  // data of the host goes to the GPU now, and not in each step
      graph_ = record(Device{}, [this] {
        probe();
        move();
      });
    }
    launch_recorded(Device{}, graph_);
    const auto losses = std::as_const(losses_).template to<Cpu>();
    const auto slopes = std::as_const(slopes_).template to<Cpu>();
    zo::Estimate g;
    g.weight = 1.0 / probe_.queries;
    g.loss = 0;
    for (int q = 0; q < probe_.queries; ++q) {
      g.slopes.push_back({directions[std::size_t(q)], slopes(q)});
      g.loss += 0.5 * (double(losses(q, 0)) + double(losses(q, 1)));
      g.forwards += 2;
    }
    g.loss /= probe_.queries;
    return g;
  }

 private:
  void probe() {
    for (int q = 0; q < probe_.queries; ++q) {
      zo::Perturbation p;
      p.sides = 2;
      p.terms = {{probe_.direction(0, 0, std::uint32_t(q)), {probe_.eps, -probe_.eps}}};
      p.trained = trained_;
      p.recorded = &points_[std::size_t(q)];
      std::uint32_t leaf = 0;
      const V y =
          loss_(map_tree<V>(model_, [&](const Path&, const StoredTensor& w) { return V::weight(w, leaf++, &p); }));
      for (int s = 0; s < 2; ++s) copy_elements(Device{}, 1, y.read(s).data(), losses_.data() + 2 * q + s);
    }
  }
  void move() {
    terms_of_losses(Device{}, probe_.queries, std::as_const(losses_).data(), probe_.eps, 1.0 / probe_.queries,
                    std::as_const(rate_).data(), slopes_.data(), update_);
    for (const LeafTable& t : tables_) descend_(Device{}, zo::Descent({.options = options_}), t, Terms(update_, 0));
  }

  M<StoredTensor>& model_;
  Loss loss_;
  zo::RgeOptions probe_;
  zo::UpdateOptions options_;
  std::vector<std::uint8_t> trained_;
  std::vector<TermBuffer> points_;  // of each query
  TermBuffer update_;
  std::vector<LeafTable> tables_;  // of what is trained
  Tensor<float, Device> losses_;
  Tensor<double, Device> slopes_, rate_;
  std::shared_ptr<const void> graph_;
};
// nvcc does not deduce M without this.
template <template <class> class M, class Loss>
RecordedStep(M<StoredTensor>&, Loss, const zo::RgeOptions&, const zo::UpdateOptions&, std::vector<std::uint8_t> = {})
    -> RecordedStep<M, Loss>;

}  // namespace tenzo::cuda
