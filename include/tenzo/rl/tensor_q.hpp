// Action values by any network that is a tree, differentiated on a tape.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <utility>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/loss.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/rl/td.hpp"
#include "tenzo/tree/ravel.hpp"

namespace tenzo::rl {

/// Q by a model whose call maps (n, …) to (n, actions), on the model's device; observations and values are on the host.
/// Parameters, target and moments are tensors of one axis as FixedQ's, in the order of the leaves, so that a run can be
/// saved from one and gone on with by the other.
///   sample  the shape of one observation: rows of (size) are given to the model as (n, sample…)
template <Tree Model, class Optimizer = Adam>
class TensorQ {
  using P = leaf_t<Model>;
  using D = typename P::device;

 public:
  P parameters, target;
  Optimizer optimizer;
  typename Optimizer::template State<P> state;
  double gradient_limit = 0;

  TensorQ(const Model& start, Shape sample, std::int32_t actions, Optimizer o = {})
      : parameters(ravel(start)),
        target(parameters.clone()),
        optimizer(o),
        form_(start),
        sample_(std::move(sample)),
        actions_(actions) {}

  std::int64_t observation_size() const { return sample_.numel(); }
  std::int32_t actions() const { return actions_; }
  Model model() const { return unravel(parameters, form_); }

  void values(std::span<const float> x, std::span<float> to) {
    const auto n = std::int64_t(x.size()) / observation_size();
    expect(std::int64_t(to.size()) == n * actions_, "tensor q: ", n, " observations, room for ", to.size(),
           " values of ", actions_, " actions");
    const Tensor<float> q = model()(rows(x, n)).template to<Cpu>();
    std::copy_n(q.data(), q.size(), to.data());
  }

  TdFigures update(const Batch& b, const TdRule& rule, double lr_factor = 1, std::span<float> errors = {}) {
    detail::check_batch(b, observation_size(), actions_);
    const std::int64_t n = b.size();
    expect(errors.empty() || std::int64_t(errors.size()) == n, "tensor q: ", errors.size(), " errors of ", n);
    const Model now = model();
    const P next = rows(b.next, n);
    const Tensor<float> after = unravel(target, form_)(next).template to<Cpu>(),
                        judge = rule.double_q ? now(next).template to<Cpu>() : after;
    Tensor<float> goal(Shape{n}), weight(Shape{n});
    Indices action(Shape{n, 1});
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = std::size_t(i);
      const std::int32_t best = best_action(judge.data() + i * actions_, actions_);
      goal(i) = b.reward[k] + b.discount[k] * std::as_const(after)(i, best);
      weight(i) = b.weight.empty() ? 1.f : b.weight[k];
      action(i, 0) = b.action[k];
    }
    const P x = rows(b.observation, n), goal_there = goal.to<D>(), weight_there = weight.to<D>();
    P taken_there;
    const auto g = value_and_grad(
        [&](const auto& m) {
          using V = leaf_t<std::remove_cvref_t<decltype(m)>>;
          const V q = reshape(gather(m(lift<V>(x)), 1, action), Shape{n});
          taken_there = q.value;
          const V each = rule.huber > 0 ? huber_loss(q, goal_there, rule.huber, Reduction::none)
                                        : mse_loss(q, goal_there, Reduction::none);
          return mean(mul(each, weight_there));
        },
        now);
    P slope = ravel(g.grad);
    const Tensor<float> taken = taken_there.template to<Cpu>();
    TdFigures figures{double(g.value.item()), 0, NAN};
    for (std::int64_t i = 0; i < n; ++i) {
      const float q = taken(i);
      figures.mean_q += double(q) / double(n);
      if (!errors.empty()) errors[std::size_t(i)] = q - std::as_const(goal)(i);
    }
    if (gradient_limit > 0) figures.gradient = clip_norm_(slope, gradient_limit);
    optimizer.step(state, parameters, slope, lr_factor);
    return figures;
  }

  void follow(double tau) {
    if (tau == 1) copy_elements(D{}, parameters.size(), std::as_const(parameters).data(), target.data());
    else axpy_(tau, sub(parameters, target), target);
  }

 private:
  P rows(std::span<const float> x, std::int64_t n) const {
    Tensor<float> t(Shape{n, observation_size()});
    expect(std::int64_t(x.size()) == t.size(), "tensor q: ", x.size(), " numbers of observations ", sample_);
    std::copy(x.begin(), x.end(), t.data());
    return t.reshaped(sample_.inserted(0, n)).to<D>();
  }

  Model form_;
  Shape sample_;
  std::int32_t actions_;
};

}  // namespace tenzo::rl
