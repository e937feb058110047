// Training and judging classifiers: any tree whose call gives scores of classes, on any device. Samples lie on the
// host; a batch goes to the model's device when it is read, and scores that are judged come back.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/data/samples.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"

namespace tenzo {

/// Whether a model has a training pass of its own, which notes the batch's statistics.
template <class M, class X>
concept HasBatchNorm = requires(const M& m, const X& x, BatchStatistics<plain_t<X>>* s) {
  m(x, s);
};

namespace detail {

/// Inputs where the model's leaves are. Values above tensors are there already; callables without leaves are on the
/// host.
template <class M, Value X>
auto beside(const X& x) {
  if constexpr (Plain<X> && requires { typename LeafType<M>::type; }) return x.template to<device_t<leaf_t<M>>>();
  else return x;
}

}  // namespace detail

/// The pass as in deployment. Inputs are lifted to the model's values: a layer may want both of one type. Tensors may
/// be on the host whatever the model's device.
template <class M, Value X>
auto deployed_scores(const M& m, const X& x) {
  const auto there = detail::beside<M>(x);
  return m(lift<promote_t<leaf_t<M>, decltype(detail::beside<M>(x))>>(there));
}

/// The training pass: batch statistics where the model has such layers, which are noted in `s`.
template <class M, Value X>
auto training_scores(const M& m, const X& x, BatchStatistics<plain_t<leaf_t<M>>>& s) {
  const auto there = detail::beside<M>(x);
  using V = promote_t<leaf_t<M>, decltype(detail::beside<M>(x))>;
  if constexpr (HasBatchNorm<M, V>) return m(lift<V>(there), &s);
  else return m(lift<V>(there));
}

/// Whether a leaf is trained: all but running statistics.
inline bool is_trained(const Path& leaf) { return !is_running_statistic(leaf); }

/// Scores of all samples as in deployment, on the host: (n, classes).
template <class M, Real T>
Tensor<T> scores(const M& model, const Tensor<T>& x, std::int64_t batch = 256) {
  Tensor<T> out;
  for (std::int64_t i = 0; i < x.shape()[0]; i += batch) {
    const std::int64_t end = std::min(x.shape()[0], i + batch);
    const Tensor<T> part = plain(model(detail::beside<M>(x.rows(i, end)))).template to<Cpu>();
    if (!out.defined()) out = Tensor<T>(Shape{x.shape()[0], part.shape()[1]});
    std::copy_n(part.data(), part.size(), out.data() + i * part.shape()[1]);
  }
  return out;
}

/// The class of the largest score of each row; of equal ones the first.
template <Real T>
Tensor<std::int64_t> predictions(const Tensor<T>& scores) {
  Tensor<std::int64_t> out(Shape{scores.shape()[0]});
  const std::int64_t k = scores.shape()[1];
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const T* row = scores.data() + i * k;
    out(i) = std::max_element(row, row + k) - row;
  }
  return out;
}

/// Share of rows whose largest score is that of their label; NaN of none.
///   scores (n, classes), labels (n)
template <Real T>
double share_right(const Tensor<T>& scores, const Tensor<std::int64_t>& labels) {
  if (labels.size() == 0) return std::nan("");
  const auto guess = predictions(scores);
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < labels.size(); ++i) right += guess(i) == labels(i);
  return double(right) / double(labels.size());
}

/// Share of samples that a model is right about; NaN of none.
template <class M, Real T>
double accuracy(const M& model, const Samples<T>& s) {
  return s.size() == 0 ? std::nan("") : share_right(scores(model, s.x), s.labels);
}

/// The cross entropy of each sample as in deployment, on the host: (n).
template <class M, Real T>
Tensor<T> sample_losses(const M& model, const Samples<T>& s) {
  if (s.size() == 0) return Tensor<T>(Shape{0});
  return cross_entropy(scores(model, s.x), s.labels, {.reduction = Reduction::none});
}

/// How a classifier is trained.
struct TrainOptions {
  std::int64_t epochs = 30, batch = 64;
  Sgd sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 5e-4};
  Schedule::Kind schedule = Schedule::Kind::cosine;  // over all steps
  std::int64_t warmup = 0;                           // epochs over which the step size rises to `sgd.lr` first
  std::uint64_t seed = 1;                            // of the data's order
  bool batch_statistics = true;  // batch norms take the batch's; false: the running ones, which stay
};

/// The mean cross entropy of a batch.
struct CrossEntropyLoss {
  template <Value V, Real T>
  V operator()(const V& scores, const Samples<T>& batch, std::span<const std::int64_t>) const {
    return cross_entropy(scores, batch.labels);
  }
};
/// Nothing.
struct NoHook {
  void operator()(const auto&...) const {}
};

/// Where a training stands: all that a further epoch has to know beside the model.
template <Tree M>
struct TrainState {
  typename Sgd::State<M> sgd;
  std::int64_t epoch = 0;
};

/// The next epoch of stochastic gradient descent over the samples. Samples, options and functions may differ from epoch
/// to epoch.
///   loss(scores, batch, rows)   a number, generic over the scores' value type; `rows` are the batch's numbers in `s`
///   on_gradient(gradient)       changes a gradient before the step: masks, penalties
///   trained(path)               which leaves; running statistics never are
///   Bits   a function of the model, the state, the samples and the options.
template <class M, Real T, class Loss = CrossEntropyLoss, class OnGradient = NoHook,
          class Trained = bool (*)(const Path&)>
void train_epoch_(M& model, TrainState<M>& state, const Samples<T>& s, const TrainOptions& o, Loss&& loss = {},
                  OnGradient&& on_gradient = {}, Trained&& trained = is_trained) {
  require(o.batch > 0, "train: a batch of ", o.batch, " samples");
  const std::int64_t n = s.size(), steps = n > 0 ? (n + o.batch - 1) / o.batch : 0;
  const Schedule schedule{.kind = o.schedule, .steps = o.epochs * steps, .warmup = o.warmup * steps};
  const Rows order = epoch_order(n, o.seed, state.epoch);
  for (std::int64_t b = 0; b < steps; ++b) {
    const auto rows = std::span<const std::int64_t>(order).subspan(std::size_t(b * o.batch),
                                                                   std::size_t(std::min(o.batch, n - b * o.batch)));
    const Samples<T> batch = s.at(rows);
    BatchStatistics<leaf_t<M>> statistics;
    auto g = value_and_grad(
        [&](const auto& m) {
          statistics.clear();
          if (!o.batch_statistics) return loss(deployed_scores(m, batch.x), batch, rows);
          return loss(training_scores(m, batch.x, statistics), batch, rows);
        },
        model, [&](const Path& at) { return is_trained(at) && trained(at); });
    on_gradient(g.grad);
    Sgd(o.sgd).step(state.sgd, model, g.grad, schedule(state.epoch * steps + b));
    if constexpr (requires { model.update_running_(statistics); }) {
      if (o.batch_statistics) model.update_running_(statistics);
    }
  }
  ++state.epoch;
}

/// All epochs, from the first.
template <class M, Real T, class Loss = CrossEntropyLoss, class OnGradient = NoHook,
          class Trained = bool (*)(const Path&)>
void train_(M& model, const Samples<T>& s, const TrainOptions& o, Loss&& loss = {}, OnGradient&& on_gradient = {},
            Trained&& trained = is_trained) {
  TrainState<M> state;
  while (state.epoch < o.epochs) train_epoch_(model, state, s, o, loss, on_gradient, trained);
}

}  // namespace tenzo
