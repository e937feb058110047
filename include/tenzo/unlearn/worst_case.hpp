// The forget set that is hardest to erase, by bi-level optimization.
//   Source  Fan, Liu, Hero, Liu 2024, "Challenging Forgets: Unveiling the Worst-Case Forget Sets in Machine
//   Unlearning".
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tenzo/bilevel/sets.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::unlearn {

/// min over w ∈ [0, 1]ᴳ, Σ w = size, of Σ_g w_g mean{ℓ(θ_u(w); z_i), g(i) = g} + γ ‖w‖², θ_u(w) after some epochs of
/// unlearning by signs from θ_o: of Σ_i (1 − w_{g(i)}) ℓ(θ; z_i) − λ Σ_i w_{g(i)} ℓ(θ; z_i). With signs θ_u has no
/// derivative by w, so that the gradient is that of the first line alone: the samples' losses.
struct WorstCase {
  std::int64_t size = 0;  // m: how many groups are to be forgotten; a group is a sample, or a class
  std::int64_t upper_steps = 20;
  std::int64_t epochs = 2, batch = 256;
  double lower_rate = 1e-4;  // β of the signs
  double lambda = 0;         // weight of the ascent on what is forgotten; the published code has none
  double gamma = 1e-4;
  /// α of the projected steps; 0: α · mean |ℓ| = 1, so that the set can move. With α = 1e-3 from a binary start it can
  /// not: no pair is exchanged before α Σ_t max ℓ reaches 1.
  double upper_rate = 0;
  bool binary_start = false;  // m ones at random; else all w = m / G
  bool easiest = false;       // ascent: the set that is easiest to erase
  /// Losses in the training pass, with the batch's statistics, as in the published code; else as in deployment.
  bool losses_in_training = false;
  std::uint64_t seed = 1;
};

/// One upper iteration.
struct WorstCaseStep {
  double objective = 0;                      // of the w that the lower level was run with
  std::int64_t changed = 0;                  // members of the set that are new
  std::array<std::int64_t, 10> histogram{};  // how many weights are in each tenth of [0, 1], after the step
};

struct WorstCaseSet {
  Rows groups;             // the chosen ones, in order of falling weight
  Tensor<double> weights;  // w: how hard each group is to forget
  std::vector<WorstCaseStep> history;
};

/// The numbers of the `m` largest, the largest first; of equal ones the smaller numbers.
inline Rows largest(const Tensor<double>& w, std::int64_t m) {
  Rows order(static_cast<std::size_t>(w.size()));
  std::iota(order.begin(), order.end(), std::int64_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return w(a) > w(b); });
  order.resize(std::size_t(std::min(m, w.size())));
  return order;
}

namespace detail {

/// Epochs of sign steps on Σ c_i ℓ_i, c of each sample.
template <Tree M, Real T>
void unlearn_by_signs_(M& model, const Samples<T>& s, const std::vector<double>& c, const WorstCase& o,
                       std::uint64_t seed) {
  const SignSgd method{.lr = o.lower_rate};
  typename SignSgd::State<M> state;
  for (std::int64_t epoch = 0; epoch < o.epochs; ++epoch) {
    const Rows order = epoch_order(s.size(), seed, epoch);
    for (std::int64_t b = 0; b < s.size(); b += o.batch) {
      const auto rows =
          std::span<const std::int64_t>(order).subspan(std::size_t(b), std::size_t(std::min(o.batch, s.size() - b)));
      const Samples<T> part = s.at(rows);
      Tensor<T> weight(Shape{part.size()});
      for (std::int64_t i = 0; i < part.size(); ++i) weight(i) = T(c[std::size_t(rows[std::size_t(i)])]);
      const auto weight_there = weight.template to<device_t<leaf_t<M>>>();
      BatchStatistics<leaf_t<M>> statistics;
      const auto g = value_and_grad(
          [&](const auto& m) {
            statistics.clear();
            const auto z = training_scores(m, part.x, statistics);
            return sum(mul(cross_entropy(z, part.labels, {.reduction = Reduction::none}), weight_there));
          },
          model, is_trained);
      method.step(state, model, g.grad);
      if constexpr (requires { model.update_running_(statistics); }) model.update_running_(statistics);
    }
  }
}

/// ℓ of each sample with the statistics of its batch.
template <Tree M, Real T>
Tensor<T> losses_in_training(const M& model, const Samples<T>& s, std::int64_t batch) {
  Tensor<T> out(Shape{s.size()});
  for (std::int64_t i = 0; i < s.size(); i += batch) {
    const std::int64_t end = std::min(s.size(), i + batch);
    BatchStatistics<leaf_t<M>> statistics;
    const Tensor<T> z = training_scores(model, s.x.rows(i, end), statistics).template to<Cpu>();
    const Tensor<T> part = cross_entropy(z, s.labels.rows(i, end), {.reduction = Reduction::none});
    std::copy_n(part.data(), part.size(), out.data() + i);
  }
  return out;
}

}  // namespace detail

/// Searches the worst forget set of a model that was trained on all samples.
///   groups   the group of each sample, in [0, count); one a sample for sets of samples, the labels for sets of classes
///   Cost     upper_steps · epochs of training, and a pass over the samples each.
///   Throws   ValueError where `size` is not in [1, count), or a group has no sample.
template <Tree M, Real T>
WorstCaseSet worst_case_set(const M& model, const Samples<T>& s, const Rows& groups, std::int64_t count,
                            const WorstCase& o) {
  require(o.size >= 1 && o.size < count, "forget set: of ", o.size, " among ", count,
          "; want at least one, and one to retain");
  require(o.batch > 0 && o.epochs >= 0 && o.upper_steps >= 0, "forget set: batches of ", o.batch, ", ", o.epochs,
          " epochs, ", o.upper_steps, " steps");
  require(std::int64_t(groups.size()) == s.size(), "forget set: ", groups.size(), " groups for ", s.size(), " samples");
  std::vector<double> members(std::size_t(count), 0);
  for (const std::int64_t g : groups) {
    require(g >= 0 && g < count, "forget set: group ", g, " of ", count);
    members[std::size_t(g)] += 1;
  }
  for (std::size_t g = 0; g < members.size(); ++g) require(members[g] > 0, "forget set: group ", g, " has no sample");

  WorstCaseSet out;
  out.weights = Tensor<double>::full(Shape{count}, double(o.size) / double(count));
  if (o.binary_start) {
    out.weights = Tensor<double>::zeros(Shape{count});
    const Rows order = permutation(count, NoiseKey{.seed = o.seed, .step = 0, .query = 2}.of(Purpose::data_order));
    for (std::int64_t i = 0; i < o.size; ++i) out.weights(order[std::size_t(i)]) = 1;
  }
  Rows before = largest(out.weights, o.size);
  const bilevel::CappedSimplex feasible{double(o.size)};
  for (std::int64_t step = 0; step < o.upper_steps; ++step) {
    std::vector<double> c(groups.size());
    for (std::size_t i = 0; i < c.size(); ++i) {
      const double w = out.weights(groups[i]);
      c[i] = 1 - w - o.lambda * w;
    }
    M lower = clone(model);
    detail::unlearn_by_signs_(lower, s, c, o, o.seed + std::uint64_t(step) * 1000003);
    const Tensor<T> losses =
        o.losses_in_training ? detail::losses_in_training(lower, s, o.batch) : sample_losses(lower, s);
    Tensor<double> slope = Tensor<double>::zeros(Shape{count});
    for (std::size_t i = 0; i < c.size(); ++i)
      slope(groups[i]) += double(losses(std::int64_t(i))) / members[std::size_t(groups[i])];
    WorstCaseStep now;
    double size = 0;
    for (std::int64_t g = 0; g < count; ++g) {
      now.objective += out.weights(g) * slope(g) + o.gamma * out.weights(g) * out.weights(g);
      size += std::abs(slope(g)) / double(count);
      slope(g) += 2 * o.gamma * out.weights(g);
    }
    require(std::isfinite(size), "forget set: the losses after unlearning are not finite; is the model?");
    const double rate = o.upper_rate > 0 ? o.upper_rate : 1 / std::max(size, 1e-30);
    Tensor<double> moved = out.weights.clone();
    axpy_(o.easiest ? rate : -rate, slope, moved);
    out.weights = feasible.project(moved).point;
    Rows set = largest(out.weights, o.size);
    Rows sorted = set, sorted_before = before, fresh;
    std::sort(sorted.begin(), sorted.end());
    std::sort(sorted_before.begin(), sorted_before.end());
    std::set_difference(sorted.begin(), sorted.end(), sorted_before.begin(), sorted_before.end(),
                        std::back_inserter(fresh));
    now.changed = std::int64_t(fresh.size());
    for (const double w : out.weights.values()) ++now.histogram[std::size_t(std::clamp(10 * w, 0.0, 9.0))];
    out.history.push_back(now);
    before = std::move(set);
  }
  out.groups = std::move(before);
  return out;
}

/// The worst set of samples.
template <Tree M, Real T>
WorstCaseSet worst_case_samples(const M& model, const Samples<T>& s, const WorstCase& o) {
  Rows each(static_cast<std::size_t>(s.size()));
  std::iota(each.begin(), each.end(), std::int64_t(0));
  return worst_case_set(model, s, each, s.size(), o);
}

/// The worst set of classes, and the samples of them.
template <Tree M, Real T>
WorstCaseSet worst_case_classes(const M& model, const Samples<T>& s, const WorstCase& o) {
  return worst_case_set(model, s, Rows(s.labels.values().begin(), s.labels.values().end()), s.classes, o);
}

}  // namespace tenzo::unlearn
