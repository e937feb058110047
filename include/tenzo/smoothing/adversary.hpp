// Attacks on smoothed classifiers: perturbations of a batch that lower the mean probability of the right classes, by
// gradients through the base classifier or by its values alone.
//   Source  Salman et al. 2019, "Provably robust deep learning via adversarially trained smoothed classifiers".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/attack/ddn.hpp"
#include "tenzo/attack/pgd.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/smoothing/base.hpp"
#include "tenzo/smoothing/losses.hpp"
#include "tenzo/smoothing/noise.hpp"
#include "tenzo/smoothing/sampling.hpp"

namespace tenzo::smoothing {

/// All copies of a batch: x + δ + ηᵢ, as one batch (m n, …).
///   x, delta (n, …), eta (m, n, …); an undefined δ is zero
template <Value V, Real T>
V noisy_copies(const V& delta, const Tensor<T>& x, const Tensor<T>& eta) {
  expect(eta.rank() == x.rank() + 1 && eta.shape().without(0) == x.shape(), "noisy_copies: noise ", eta.shape(),
         " for inputs ", x.shape());
  const Shape one_batch = x.shape().with(0, eta.shape()[0] * x.shape()[0]);
  const Tensor<T> noisy = add(eta, x);
  return reshape(delta.defined() ? V(add(delta, noisy)) : lift<V>(noisy), one_batch);
}

/// Scores (m n, classes) by copies: (m, n, classes).
template <Value V>
V by_copies(const V& scores, std::int64_t copies) {
  expect(scores.shape().rank() == 2 && copies > 0 && scores.shape()[0] % copies == 0, "by_copies: scores ",
         scores.shape(), " of ", copies, " copies");
  return reshape(scores, Shape{copies, scores.shape()[0] / copies, scores.shape()[1]});
}

/// −log F̂(x + δ)_y of each sample (n), and their sum's gradient by δ, at given noise.
template <class M, Real T>
attack::LossesAndGradient<T> smoothed_attack_gradient(const M& model, const Tensor<T>& x, const Indices& labels,
                                                      const Tensor<T>& eta, const Tensor<T>& delta) {
  Tensor<T> losses;
  const auto g = value_and_grad(
      [&](const auto& d) {
        const auto l = smoothed_losses(by_copies(base_output(model, noisy_copies(d, x, eta)), eta.shape()[0]), labels);
        losses = plain(l);
        return sum(l);
      },
      delta);
  return {losses, g.grad};
}

/// The losses alone, at most `batch` rows at once.
template <class M, Real T>
Tensor<T> smoothed_attack_losses(const M& model, const Tensor<T>& x, const Indices& labels, const Tensor<T>& eta,
                                 const Tensor<T>& delta, std::int64_t batch = 512) {
  return smoothed_losses(by_copies(scores(model, noisy_copies(delta, x, eta), batch), eta.shape()[0]), labels);
}

/// A direction up the same way, of values alone: −1/m Σ F(x + δ + ηᵢ)_y ηᵢ, which is σ² times the gradient of −F̂_y.
template <class M, Real T>
attack::LossesAndGradient<T> gradient_free_attack(const M& model, const Tensor<T>& x, const Indices& labels,
                                                  const Tensor<T>& eta, const Tensor<T>& delta) {
  const std::int64_t m = eta.shape()[0], n = x.shape()[0], width = x.shape().inner(0);
  const Tensor<T> s = by_copies(base_output(model, noisy_copies(delta, x, eta)), m), p = softmax(s, -1);
  attack::LossesAndGradient<T> out{smoothed_losses(s, labels), Tensor<T>::zeros(x.shape())};
  for (std::int64_t c = 0; c < m; ++c)
    for (std::int64_t i = 0; i < n; ++i) {
      const T weight = -p((c * n + i) * p.shape()[2] + labels(i)) / T(m);
      const T* from = eta.data() + (c * n + i) * width;
      T* to = out.gradient.data() + i * width;
      for (std::int64_t j = 0; j < width; ++j) to[j] += weight * from[j];
    }
  return out;
}

/// How the inputs of adversarial training are made.
struct SmoothAdvOptions {
  enum class Attack { pgd, ddn, gradient_free };
  Attack attack = Attack::pgd;
  double eps = 1;            // l2 radius, in the units of inputs
  std::int64_t steps = 4;    // each of 2 eps / steps (pgd)
  double low = 0, high = 1;  // inputs stay in it, before noise
};

/// δ (n, …) from δ = 0, at given noise: the last iterate, which training takes.
template <class M, Real T>
Tensor<T> smooth_adversary(const M& model, const Tensor<T>& x, const Indices& labels, const Tensor<T>& eta,
                           const SmoothAdvOptions& o) {
  attack::Threat threat{.norm = attack::Norm::l2, .eps = {o.eps}, .low = o.low, .high = o.high};
  const auto gradient = [&](const Tensor<T>& delta, const attack::PgdQuery&) {
    return o.attack == SmoothAdvOptions::Attack::gradient_free ? gradient_free_attack(model, x, labels, eta, delta)
                                                               : smoothed_attack_gradient(model, x, labels, eta, delta);
  };
  if (o.attack == SmoothAdvOptions::Attack::ddn) {
    const auto misleads = [&](const Tensor<T>& delta) {
      const auto guess = predictions(
          log_mean_probabilities(by_copies(base_output(model, noisy_copies(delta, x, eta)), eta.shape()[0])));
      std::vector<bool> out;
      for (std::int64_t i = 0; i < guess.size(); ++i) out.push_back(guess(i) != labels(i));
      return out;
    };
    return attack::ddn(x, threat, {.steps = o.steps}, gradient, misleads);
  }
  double newest = 0;  // every iterate is better than those before it: the last one is taken
  return attack::pgd(x, threat, {.steps = o.steps, .start = 0, .score_every = std::max<std::int64_t>(1, o.steps)},
                     gradient, [&](const Tensor<T>& d) { return Tensor<T>::full(Shape{d.shape()[0]}, T(newest += 1)); })
      .delta;
}

struct SmoothedAttackOptions {
  attack::PgdOptions pgd{.steps = 20};
  std::int64_t draws = 32;     // noise of a gradient, fresh for every step
  std::int64_t held_out = 64;  // noise by which iterates are compared
  std::uint64_t seed = 1;
};

/// The strongest perturbation that is found of a smoothed classifier under a threat: climbing with fresh noise in every
/// step, the best iterate on noise that no gradient has seen.
///   image  number of the first sample, which with the seed names its noise
template <class M, Real T>
attack::PgdResult<T> attack_smoothed(const M& model, const AdditiveNoise& noise, const Tensor<T>& x,
                                     const Indices& labels, const attack::Threat& threat,
                                     const SmoothedAttackOptions& o = {}, std::int64_t image = 0) {
  const Tensor<T> held_out = noise_for<T>(noise, x.shape(), {o.seed, image, Phase::evaluation}, 0, o.held_out);
  return attack::pgd(
      x, threat, o.pgd,
      [&](const Tensor<T>& delta, const attack::PgdQuery& q) {
        const std::int64_t number = (q.restart * o.pgd.steps + q.step) * o.pgd.draws + q.draw;
        const Tensor<T> eta = noise_for<T>(noise, x.shape(), {o.seed, image, Phase::attack}, number * o.draws, o.draws);
        return smoothed_attack_gradient(model, x, labels, eta, delta);
      },
      [&](const Tensor<T>& delta) { return smoothed_attack_losses(model, x, labels, held_out, delta); });
}

}  // namespace tenzo::smoothing
