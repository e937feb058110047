// Denoisers for classifiers that only answer: the part that is known is trained by back-propagation, through a
// zeroth-order estimate of the gradient of what is not, at the code that passes between them.
//   Source  Zhang et al. 2022, "How to robustify black-box ML models? A zeroth-order optimization perspective".
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/train/classifier.hpp"
#include "tenzo/zo/per_sample.hpp"

namespace tenzo::smoothing {

/// How the gradient by a code z of d numbers is estimated.
///   rge   d/q Σ [ℓ(z + μu) − ℓ(z)] / μ · u, u uniform on the unit sphere: q + 1 queries
///   cge   Σ [ℓ(z + μeⱼ) − ℓ(z − μeⱼ)] / 2μ · eⱼ: 2d + 1 queries
struct CodeGradient {
  enum class Kind { rge, cge };
  Kind kind = Kind::rge;
  double mu = 0.005;
  int queries = 192;  // q, of rge

  /// ĝ of losses(z) → (n) at z (n, …), a gradient a sample.
  template <Real T, class Losses>
  zo::SampleGradients<T> operator()(Losses&& losses, const Tensor<T>& z, std::uint64_t seed, std::uint32_t step) const {
    if (kind == Kind::cge) return zo::per_sample_cge(losses, z, mu);
    require(mu > 0, "code gradient: a radius of ", mu);
    const double d = double(std::max<std::int64_t>(1, z.shape().inner(0)));
    return zo::per_sample_rge(losses, z, seed, step,
                              {.eps = mu / std::sqrt(d),  // directions of length √d
                               .queries = queries,
                               .two_sided = false,
                               .law = zo::DirectionLaw::sphere});
  }
};

/// A value, a gradient of the known part, and what it cost.
template <class Model>
struct BlackBoxGradient {
  double loss = 0;  // the mean of the samples' losses
  Model grad;
  std::int64_t queries = 0;  // answers asked for of each sample
};

/// The gradient of mean ℓᵢ(white(xᵢ)) by the known part: (∂z/∂θ)ᵀ ĝ, the gradient of mean ⟨zᵢ, ĝᵢ⟩ with ĝ held.
///   white        a tree; its call gives codes z (n, …): a denoiser (ZO-DS), a denoiser and an encoder (ZO-AE-DS)
///   losses(z)    → (n): of the black box behind the code, a decoder and a classifier (`answers_loss`)
///   Bits         a function of the arguments
template <class White, Real T, class Losses>
BlackBoxGradient<White> black_box_gradient(const White& white, const Tensor<T>& x, Losses&& losses,
                                           const CodeGradient& how, std::uint64_t seed, std::uint32_t step,
                                           BatchStatistics<Tensor<T>>& statistics) {
  BlackBoxGradient<White> out;
  auto g = value_and_grad(
      [&](const auto& model) {
        statistics.clear();
        const auto z = training_scores(model, x, statistics);
        const zo::SampleGradients<T> at = how(losses, plain(z), seed, step);
        double total = 0;
        for (const T l : at.losses.values()) total += double(l);
        const double n = double(std::max<std::int64_t>(1, at.losses.size()));
        out.loss = total / n;
        out.queries = at.queries;
        return scale(sum(mul(z, at.gradient)), 1 / n);
      },
      white, [](const Path& at) { return is_trained(at); });
  out.grad = std::move(g.grad);
  return out;
}

/// The losses of a black box by its answers: cross entropy of answer(z) → scores (n, classes) with targets (n), usually
/// the box's own answers at clean inputs.
template <class Answer>
auto answers_loss(Answer&& answer, const Indices& targets) {
  return [answer = std::forward<Answer>(answer), targets](const auto& z) {
    return cross_entropy(answer(z), targets, {.reduction = Reduction::none});
  };
}

}  // namespace tenzo::smoothing
