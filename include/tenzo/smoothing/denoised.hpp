// Denoised smoothing: a classifier that was trained without noise, behind a denoiser that is trained for it.
//   Source  Salman et al. 2020, "Denoised smoothing: a provable defense for pretrained classifiers".
#pragma once

#include <cstdint>
#include <utility>

#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/loss.hpp"
#include "tenzo/smoothing/base.hpp"

namespace tenzo::smoothing {

/// classifier(denoiser(x)): a base classifier to be smoothed. Both are kept as they are given: by reference where they
/// are named, so they outlive it.
template <class Denoiser, class Classifier>
class Denoised {
 public:
  Denoised(const Denoiser& denoiser, const Classifier& classifier) : denoiser_(denoiser), classifier_(classifier) {}

  template <Real T>
  Tensor<T> operator()(const Tensor<T>& x) const {  // (n, …) -> (n, classes)
    return base_output(classifier_, base_output(denoiser_, x));
  }

 private:
  const Denoiser& denoiser_;
  const Classifier& classifier_;
};

/// What a denoiser of x + η is trained by.
///   mse   mean over elements of (D(x + η) − x)²
///   stab  cross entropy of the frozen classifier at D(x + η) with its own prediction at x
/// STAB from where MSE ended is their STAB+MSE.
enum class DenoiserLoss { mse, stab };

/// The loss of a batch: clean, noisy (n, …); `denoiser` may be of any value type, the classifier is of tensors.
///   targets  the classifier's predictions at the clean inputs, (n); of stab alone
///   `statistics` notes what a denoiser's batch norms see
template <class Denoiser, class Classifier, Real T>
auto denoiser_loss(DenoiserLoss kind, const Denoiser& denoiser, const Classifier& classifier, const Tensor<T>& clean,
                   const Tensor<T>& noisy, const Indices& targets, BatchStatistics<Tensor<T>>& statistics) {
  const auto denoised = training_scores(denoiser, noisy, statistics);
  if (kind == DenoiserLoss::mse) return mse_loss(denoised, clean);
  return cross_entropy(base_output(classifier, denoised), targets);
}

}  // namespace tenzo::smoothing
