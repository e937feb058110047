// One step of Q-learning on a batch: what goes in, what is minimised, what comes out.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <span>

#include "tenzo/core/error.hpp"

namespace tenzo::rl {

/// Transitions to learn from. Views; n of each.
///   reward    of one step, or the discounted sum of several
///   discount  of the value of `next`: γ to the number of steps, 0 where the episode was terminated. A truncated
///             episode's value is bootstrapped like any other.
///   weight    of each sample in the loss; empty: all 1
struct Batch {
  std::span<const float> observation, next;  // (n, size)
  std::span<const std::int32_t> action;
  std::span<const float> reward, discount, weight{};

  std::int64_t size() const { return std::int64_t(action.size()); }
};

/// The loss of Q(s, a) against y = r + discount · Q⁻(s', a*), averaged over the batch.
///   a* = argmax Q⁻(s', ·), or with `double_q` argmax Q(s', ·);   Q⁻ the target network
///   squared error, or with huber > 0 the Huber loss with that bound, as ops/loss.hpp has them
///   Source  Mnih et al. 2015; van Hasselt, Guez, Silver 2016
struct TdRule {
  bool double_q = false;
  double huber = 0;

  /// The loss of an error d = Q − y, and its derivative.
  float loss(float d) const {
    const float a = std::abs(d), h = float(huber);
    return h <= 0 ? d * d : a <= h ? 0.5f * d * d : h * (a - 0.5f * h);
  }
  float slope(float d) const {
    const float h = float(huber);
    return h <= 0 ? 2 * d : d < -h ? -h : d > h ? h : d;
  }
};

/// Of one update: before it.
struct TdFigures {
  double loss = NAN;      // mean over the batch
  double mean_q = NAN;    // of the actions taken
  double gradient = NAN;  // Euclidean norm, before clipping; measured only where there is a limit

  /// Names what is stored, for rl/checkpoint.hpp.
  static void fields(auto&& f, auto& s) { f("loss", s.loss), f("mean_q", s.mean_q), f("gradient", s.gradient); }
};

/// Action values that learn.
///   values(observations (n, size), to (n, actions))
///   update(batch, rule, lr_factor, errors)   a step of the optimizer; errors (n), Q − y before it, may be empty
///   follow(tau)   target ← target + tau (parameters − target); 1 copies
template <class Q>
concept QFunction = requires(Q& q, const Q& at, std::span<const float> x, std::span<float> to, const Batch& batch,
                             const TdRule& rule) {
  { at.observation_size() } -> std::convertible_to<std::int64_t>;
  { at.actions() } -> std::convertible_to<std::int32_t>;
  q.values(x, to);
  { q.update(batch, rule, 1.0, to) } -> std::same_as<TdFigures>;
  q.follow(1.0);
};

/// The index of the largest of n numbers; of equal ones the first.
template <class T>
std::int32_t best_action(const T* q, std::int32_t n) {
  std::int32_t best = 0;
  for (std::int32_t a = 1; a < n; ++a)
    if (q[a] > q[best]) best = a;
  return best;
}

namespace detail {

/// Throws ShapeError unless the parts of a batch fit.
inline void check_batch(const Batch& b, std::int64_t size, std::int32_t actions) {
  const auto n = std::size_t(b.size());
  expect(n > 0 && b.reward.size() == n && b.discount.size() == n && (b.weight.empty() || b.weight.size() == n) &&
             b.observation.size() == n * std::size_t(size) && b.next.size() == b.observation.size(),
         "q-learning: a batch of ", n, " actions, ", b.reward.size(), " rewards, ", b.discount.size(), " discounts, ",
         b.observation.size(), " and ", b.next.size(), " numbers of observations of size ", size);
  for (const std::int32_t a : b.action) require(a >= 0 && a < actions, "q-learning: action ", a, " of ", actions);
}

}  // namespace detail

}  // namespace tenzo::rl
