// BiP: pruning as a bi-level problem,  min over m of ℓ(m ⊙ θ*(m)),  θ*(m) = argmin over θ of ℓ(m ⊙ θ) + (γ/2) ‖θ‖².
//   Source  Zhang et al. 2022, "Advancing model pruning via bi-level optimization".
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "tenzo/prune/learned.hpp"
#include "tenzo/solve/cg.hpp"

namespace tenzo::prune {

namespace detail {

/// m ⊙ x leaf by leaf, undefined where x is: by a mask of bytes, or by numbers.
template <Tree M, Tree K>
M times_mask(const M& x, const K& mask) {
  using V = leaf_t<M>;
  return map_tree<V>(
      x,
      [](const Path& at, const V& v, const auto& m) {
        expect(m.shape() == v.shape(), "bip: ", at.str(), " is ", v.shape(), ", its mask ", m.shape());
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(m)>, V>) return V(mul(m, v));
        else return V(kept(m, v));
      },
      mask);
}

}  // namespace detail

/// BiP's gradient by the mask, with g the gradient of ℓ by z = m ⊙ θ:
///   (θ − m ⊙ g / γ) ⊙ g
///   It takes the Hessian of ℓ for zero, dθ*/dm ≈ −diag(g) / γ, and its error is not small where ℓ is curved: on
///   quadratic losses as curved as γ it can be twice the true one (tests/prune/bip.test.cpp).
///   mask    zeros and ones, or numbers between
template <Tree M, Tree K>
M bip_gradient(const M& theta, const K& mask, const M& g, double gamma) {
  require(gamma > 0, "bip: gamma is ", gamma, "; want more than 0");
  using V = leaf_t<M>;
  return map_tree<V>(
      g, [gamma](const V& gz, const V& w, const V& mg) { return V(mul(sub(w, scale(mg, 1 / gamma)), gz)); }, theta,
      detail::times_mask(g, mask));
}

/// What the authors' code does instead: θ ⊙ g − lr₂ (θ ⊙ g)², the implicit term the square of the first. The same
/// number θ ⊙ g is the score's gradient up to a sign, which the square loses.
template <Tree M>
M bip_gradient_of_code(const M& theta, const M& g, double lr2 = 1e-4) {
  using V = leaf_t<M>;
  return map_tree<V>(
      g,
      [lr2](const V& gz, const V& w) {
        const V first = mul(w, gz);
        return V(sub(first, scale(square(first), lr2)));
      },
      theta);
}

/// The true gradient of ℓ(m ⊙ θ*(m)) at θ = θ*(m), by the implicit function: with H = ∇²ℓ(z) and
/// (m ⊙ H m + γ) u = m ⊙ g it is  θ ⊙ g − g ⊙ u − θ ⊙ H (m ⊙ u).  To judge the approximation by.
///   loss    of the masked model z, smooth
///   mask    a tree of numbers like θ; leaves without a mask are constants
///   Cost    a gradient and a Hessian product an iteration of the solver.
template <class Loss, Tree M, class Solver = Cg>
M bip_exact_gradient(Loss&& loss, const M& theta, const M& mask, double gamma,
                     const Solver& solver = {{.iterations = 100, .rtol = 1e-12}}) {
  using V = leaf_t<M>;
  const auto times_of = [](const M& a, const M& b) {
    return map_tree<V>(
        a, [](const V& x, const V& y) { return y.defined() ? mul(x, y) : V{}; }, b);
  };
  const M z = map_tree<V>(
      theta, [](const V& w, const V& m) { return m.defined() ? mul(w, m) : w; }, mask);
  const auto pruned_leaves = [&](const M& x) {
    return map_tree<V>(
        mask, [](const V&, const V& v) { return v; }, x);
  };
  const M g = pruned_leaves(grad(loss, z));
  const M b = times_of(mask, g);
  const auto product = [&](const M& u) {
    M y = times_of(mask, hvp(loss, z, times_of(mask, u)));
    axpy_(gamma, u, y);
    return y;
  };
  const M u = solver(product, b).x;
  M out = times_of(g, theta);
  axpy_(-1, times_of(g, u), out);
  axpy_(-1, times_of(theta, pruned_leaves(hvp(loss, z, times_of(mask, u)))), out);
  return out;
}

struct BipOptions {
  ScoreOptions scores{.cut = {}, .adam = {.lr = 1e-3}, .weight_decay = 0};
  Sgd theta{.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-4};
  double gamma = 1;      // of the implicit term; the exact lower problem has weight_decay = gamma
  bool as_code = false;  // the implicit term of the authors' code
  double lr2 = 1e-4;
  std::int64_t epochs = 100, batch = 128;
  Schedule::Kind schedule = Schedule::Kind::cosine;
  std::uint64_t seed = 1;
};

/// A step of the scores: BiP's gradient by the mask, straight through to the scores by sign(c).
///   g    the gradient of ℓ by z = m ⊙ θ
template <Tree M>
void bip_score_step_(LearnedMask<M>& l, const M& theta, const M& g, const BipOptions& o, double lr_factor = 1) {
  const M by_mask = o.as_code ? bip_gradient_of_code(theta, g, o.lr2) : bip_gradient(theta, l.mask, g, o.gamma);
  using V = leaf_t<M>;
  M by_score = map_tree<V>(
      l.scores, [](const V& c, const V& d) { return mul(sign(c), d); }, by_mask);
  l.step_(by_score, o.scores, lr_factor);
}

/// BiP: in turn a step of θ under the mask on one batch, and of the scores on another, which is the epoch's data from
/// its other end. Steps of θ move weights, biases and norms.
///   model   ends with the last θ, which pruned weights keep: `masked(model, mask)` is the sub-network
///   Bits    a function of the model, the samples and the options.
template <class M, Real T, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
LearnedMask<M> bip_(M& model, const Samples<T>& s, const BipOptions& o, Prunable&& prunable = is_prunable) {
  using V = leaf_t<M>;
  require(o.batch > 0, "bip: a batch of ", o.batch);
  LearnedMask<M> l = begin_scores(model, o.scores.cut, prunable);
  typename Sgd::State<M> state;
  const std::int64_t n = s.size(), steps_of_epoch = (n + o.batch - 1) / o.batch;
  const Schedule schedule{.kind = o.schedule, .steps = o.epochs * steps_of_epoch};
  for (std::int64_t epoch = 0; epoch < o.epochs; ++epoch) {
    const Rows order = epoch_order(n, o.seed, epoch), reversed(order.rbegin(), order.rend());
    for (std::int64_t b = 0; b < steps_of_epoch; ++b) {
      const double factor = schedule(epoch * steps_of_epoch + b);
      BatchStatistics<leaf_t<M>> statistics;
      const auto gradient_on = [&](const Rows& rows) {  // by z
        const Samples<T> batch = s.at(std::span<const std::int64_t>(rows).subspan(
            std::size_t(b * o.batch), std::size_t(std::min(o.batch, n - b * o.batch))));
        return value_and_grad(
                   [&](const auto& z) {
                     statistics.clear();
                     return cross_entropy(training_scores(z, batch.x, statistics), batch.labels);
                   },
                   masked(model, l.mask), is_trained)
            .grad;
      };
      M by_theta = gradient_on(reversed);
      zero_pruned_(by_theta, l.mask);
      o.theta.step(state, model, by_theta, factor);
      if constexpr (requires { model.update_running_(statistics); }) model.update_running_(statistics);
      const M by_z = gradient_on(order);
      bip_score_step_(l, model,
                      map_tree<V>(
                          l.scores, [](const V&, const V& g) { return g; }, by_z),
                      o, factor);
    }
  }
  return l;
}

}  // namespace tenzo::prune
