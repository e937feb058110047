// Masks that are learned: a score a weight, the mask is where |score| is large, and the gradient goes straight through
// the threshold.
//   Source  Sehwag et al. 2020, HYDRA; Ramanujan et al. 2020. Scores of either sign as in VPNs' code (Jin et al. 2025).
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/data/samples.hpp"
#include "tenzo/nn/layout.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/optim/schedule.hpp"
#include "tenzo/prune/select.hpp"
#include "tenzo/train/classifier.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::prune {

/// y = θ ⊙ m of a weight θ and its score c, where m = 1{|c| > τ} is given. The derivative takes m for |c|:
///   ∂y/∂θ = m,   ∂y/∂c = sign(c) ⊙ θ
///   Without the sign, weights whose score is negative are driven the wrong way.
///   Nested  a derivative of a derivative is that of these rules, in which m and sign(c) are constants: ∂²y/∂θ∂c =
///           sign(c), others zero.
struct StraightThrough {
  static constexpr std::size_t inputs = 2, outputs = 1;  // θ, c
  static constexpr std::string_view name = "straight_through";
  static constexpr bool reads_inputs[] = {true, true}, reads_outputs[] = {false};
  Tensor<std::uint8_t> mask;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, 2>& x) const {
    return {detail::kept(mask, x[0])};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 2>& x, const Values<V, 2>& dx, const Values<V, 1>&) const {
    return {plus(dx[0].defined() ? detail::kept(mask, dx[0]) : V{}, times(dx[1], slope(x)))};
  }
  template <class V>
  Values<V, 2> vjp(const Values<V, 2>& x, const Values<V, 1>&, const Values<V, 1>& gy,
                   const Values<bool, 2>& need) const {
    Values<V, 2> g;
    if (need[0]) g[0] = detail::kept(mask, gy[0]);
    if (need[1]) g[1] = mul(gy[0], slope(x));
    return g;
  }

 private:
  template <class V>
  static V slope(const Values<V, 2>& x) {
    return mul(sign(x[1]), x[0]);
  }
};

/// The model θ ⊙ m, differentiable by the scores as above, and by θ. Leaves without scores are as they are.
///   model and scores may be of different value types: plain weights and recorded scores, say
template <Tree M, Tree S, MaskTree K>
auto straight_through(const M& model, const S& scores, const K& mask) {
  using W = promote_t<leaf_t<M>, leaf_t<S>>;
  return map_tree<W>(
      model,
      [](const Path& at, const leaf_t<M>& w, const leaf_t<S>& c, const Tensor<std::uint8_t>& m) {
        if (!c.defined()) return W(lift<W>(w));
        expect(c.shape() == w.shape() && m.shape() == w.shape(), "straight_through: ", at.str(), " is ", w.shape(),
               ", its scores ", c.shape(), ", its mask ", m.shape());
        return dispatch(StraightThrough{m}, Values<W, 2>{lift<W>(w), lift<W>(c)})[0];
      },
      scores, mask);
}

/// Where scores begin: c = √(6 / fan_in) θ / max |θ| of each layer, fan_in the inputs of an output. The mask of these
/// is not that of global magnitude: layers are put on one scale. A layer of zeros has scores of zero.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
M initial_scores(const M& model, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  const std::vector<bool> in_out = in_out_leaves(model);
  std::size_t leaf = 0;
  return map_tree<V>(model, [&](const Path& at, const V& w) {
    const bool turned = in_out[leaf++];
    if (!prunable(at, w.shape())) return V{};
    double top = 0;
    const auto host = w.template to<Cpu>();
    for (const auto x : host.values()) top = std::max(top, std::abs(double(x)));
    const double fan_in = double(turned ? w.shape()[0] : w.shape().inner(0));
    return top > 0 ? scale(w, std::sqrt(6 / fan_in) / top) : V::zeros(w.shape());
  });
}

/// The mask of scores of either sign: the largest |c|.
template <Tree S>
Mask<S> mask_of(const S& scores, const Cut& cut) {
  using V = leaf_t<S>;
  return largest(map_tree<V>(scores, [](const V& c) { return abs(c); }), cut);
}

/// How scores are trained.
struct ScoreOptions {
  Cut cut = {};
  Adam adam{.lr = 1e-4};
  double weight_decay = 1e-4;  // added to the gradient, as Adam's L2
};

/// Scores on their way, with the mask of now.
template <Tree M>
struct LearnedMask {
  M scores;
  Mask<M> mask;
  typename Adam::State<M> state;
  std::int64_t updates = 0;  // of the scores; for comparisons at equal updates

  /// A step against the gradient by the scores (which is changed), and the mask of the new ones.
  void step_(M& gradient, const ScoreOptions& o, double lr_factor = 1) {
    if (o.weight_decay != 0) axpy_(o.weight_decay, scores, gradient);
    o.adam.step(state, scores, gradient, lr_factor);
    mask = mask_of(scores, o.cut);
    ++updates;
  }
};

/// Scores and mask before the first step.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
LearnedMask<M> begin_scores(const M& model, const Cut& cut, Prunable&& prunable = is_prunable) {
  LearnedMask<M> l;
  l.scores = initial_scores(model, prunable);
  l.mask = mask_of(l.scores, cut);
  return l;
}

/// A loss of the masked model and its gradient by the scores; the model stands still.
///   loss   of a model on any value type, a single number
template <class Loss, Tree M>
auto score_gradient(Loss&& loss, const M& model, const LearnedMask<M>& l) {
  return value_and_grad([&](const auto& c) { return loss(straight_through(model, c, l.mask)); }, l.scores);
}

/// One update of the scores on a batch, by the cross entropy of the training pass.
///   model   its running statistics follow the batch; all else keeps its bits
template <class M, Real T>
void score_update_(M& model, LearnedMask<M>& l, const Samples<T>& batch, const ScoreOptions& o, double lr_factor = 1) {
  BatchStatistics<leaf_t<M>> statistics;
  auto g = score_gradient(
      [&](const auto& m) {
        statistics.clear();
        return cross_entropy(training_scores(m, batch.x, statistics), batch.labels);
      },
      model, l);
  l.step_(g.grad, o, lr_factor);
  if constexpr (requires { model.update_running_(statistics); }) model.update_running_(statistics);
}

struct HydraOptions {
  ScoreOptions scores = {};
  std::int64_t epochs = 30, batch = 256;
  Schedule::Kind schedule = Schedule::Kind::cosine;  // over all steps
  std::uint64_t seed = 1;                            // of the data's order
};

/// HYDRA's first stage: min over c of the cross entropy of θ ⊙ m(c), the threshold anew after every step.
///   model   its weights, biases and norms keep their bits; running statistics follow the batches, as in training
///   Bits    a function of the model, the samples and the options.
template <class M, Real T, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
LearnedMask<M> learn_mask_(M& model, const Samples<T>& s, const HydraOptions& o, Prunable&& prunable = is_prunable) {
  require(o.batch > 0, "learn_mask: a batch of ", o.batch);
  LearnedMask<M> l = begin_scores(model, o.scores.cut, prunable);
  const std::int64_t n = s.size(), steps_of_epoch = (n + o.batch - 1) / o.batch;
  const Schedule schedule{.kind = o.schedule, .steps = o.epochs * steps_of_epoch};
  for (std::int64_t epoch = 0; epoch < o.epochs; ++epoch) {
    const Rows order = epoch_order(n, o.seed, epoch);
    for (std::int64_t b = 0; b < steps_of_epoch; ++b) {
      const auto rows = std::span<const std::int64_t>(order).subspan(std::size_t(b * o.batch),
                                                                     std::size_t(std::min(o.batch, n - b * o.batch)));
      score_update_(model, l, s.at(rows), o.scores, schedule(epoch * steps_of_epoch + b));
    }
  }
  return l;
}

}  // namespace tenzo::prune
