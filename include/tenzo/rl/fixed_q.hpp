// Action values by a network of fixed size: an update without an allocation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>

#include "tenzo/nn/fixed.hpp"
#include "tenzo/optim/optimizers.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

/// Q by Net, trained on batches of B transitions, B a multiple of 16.
///   Parameters are one tensor (Net::parameters), in the order of the leaves of QNetwork.
///   Cost  of an update: four passes of the network; no allocation behind the first.
template <class Net, int B, class Optimizer = Adam>
class FixedQ {
 public:
  static constexpr int batch = B;

  Tensor<float> parameters, target;  // (Net::parameters)
  Optimizer optimizer;
  typename Optimizer::template State<Tensor<float>> state;
  double gradient_limit = 0;  // of its Euclidean norm; 0: none

  /// Throws ShapeError unless there are as many parameters as Net has.
  explicit FixedQ(const Tensor<float>& start, Optimizer o = {})
      : parameters(start.clone()), target(start.clone()), optimizer(o), room_(std::make_unique<Room>()) {
    expect(start.shape() == Shape{Net::parameters}, "fixed q: parameters ", start.shape(), "; want (", Net::parameters,
           ')');
    gradient_ = Tensor<float>::zeros(start.shape());
  }

  static constexpr std::int64_t observation_size() { return Net::in; }
  static constexpr std::int32_t actions() { return Net::out; }

  void values(std::span<const float> x, std::span<float> to) {  // (n, in) -> (n, out)
    const auto n = std::int64_t(x.size()) / Net::in;
    expect(std::int64_t(x.size()) == n * Net::in && std::int64_t(to.size()) == n * Net::out, "fixed q: ", x.size(),
           " numbers of observations of size ", Net::in, ", room for ", to.size(), " values of ", Net::out, " actions");
    for (std::int64_t i = 0; i < n; i += some) {
      const std::int64_t count = std::min<std::int64_t>(some, n - i);
      fixed::transpose(count, Net::in, x.data() + i * Net::in, room_->x, some);
      Net::template forward<some>(std::as_const(parameters).data(), room_->x, room_->y);
      const float* const q = room_->y + (Net::values - Net::out) * some;
      for (std::int64_t k = 0; k < count; ++k)
        for (std::int64_t a = 0; a < Net::out; ++a) to[std::size_t((i + k) * Net::out + a)] = q[a * some + k];
    }
  }

  /// Throws ShapeError unless the batch has B transitions.
  TdFigures update(const Batch& b, const TdRule& rule, double lr_factor = 1, std::span<float> errors = {}) {
    detail::check_batch(b, Net::in, Net::out);
    expect(b.size() == B && (errors.empty() || errors.size() == B), "fixed q: a batch of ", b.size(), "; want ", B);
    Room& r = *room_;
    const float* const w = std::as_const(parameters).data();
    fixed::transpose(B, Net::in, b.next.data(), r.x, B);
    alignas(64) float goal[B];
    const auto largest = [&](const float* q) {  // of the other network's values, the index of its largest
      for (int i = 0; i < B; ++i) {
        std::int32_t best = 0;
        for (std::int32_t a = 1; a < Net::out; ++a)
          if (q[a * B + i] > q[best * B + i]) best = a;
        r.best[i] = best;
      }
    };
    if (rule.double_q) {
      Net::template forward<B>(w, r.x, r.y);
      largest(r.y + last);
    }
    Net::template forward<B>(std::as_const(target).data(), r.x, r.y);
    if (!rule.double_q) largest(r.y + last);
    for (int i = 0; i < B; ++i) {
      const auto k = std::size_t(i);
      goal[i] = b.reward[k] + b.discount[k] * r.y[last + r.best[i] * B + i];
    }

    fixed::transpose(B, Net::in, b.observation.data(), r.x, B);
    Net::template forward<B>(w, r.x, r.y);
    std::fill(r.slope, r.slope + Net::out * B, 0.f);
    TdFigures figures{0, 0, NAN};
    for (int i = 0; i < B; ++i) {
      const auto k = std::size_t(i);
      const int at = b.action[k] * B + i;
      const float q = r.y[last + at], d = q - goal[i], weight = b.weight.empty() ? 1.f : b.weight[k];
      r.slope[at] = weight * rule.slope(d) / float(B);
      figures.loss += double(weight * rule.loss(d)) / B;
      figures.mean_q += double(q) / B;
      if (!errors.empty()) errors[k] = d;
    }
    Net::template backward<B>(w, r.x, r.y, r.slope, gradient_.data());
    if (gradient_limit > 0) figures.gradient = clip_norm_(gradient_, gradient_limit);
    optimizer.step(state, parameters, gradient_, lr_factor);
    return figures;
  }

  void follow(double tau) {
    float* const to = target.data();
    const float *const from = std::as_const(parameters).data(), t = float(tau);
    if (tau == 1) std::copy_n(from, Net::parameters, to);
    else
      for (std::int64_t i = 0; i < Net::parameters; ++i) to[i] += t * (from[i] - to[i]);
  }

 private:
  static constexpr int some = 16, last = (Net::values - Net::out) * B;
  struct Room {
    alignas(64) float x[Net::in * B];
    alignas(64) float y[Net::values * B];
    alignas(64) float slope[Net::widest * B];
    std::int32_t best[B];
  };

  Tensor<float> gradient_;
  std::unique_ptr<Room> room_;
};

}  // namespace tenzo::rl
