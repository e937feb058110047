// What unrolled reconstructions are trained by. Images are (n, H, W, 2); means are over images, pixels and both parts.
//   Source  Li et al. 2023, "SMUG", eq. 5 to 7; Liang et al. 2025, section III.
#pragma once

#include "tenzo/mri/unrolled.hpp"
#include "tenzo/ops/loss.hpp"

namespace tenzo::mri {

/// E ‖f_θ − t‖², by the reconstruction alone: MoDL's loss, and RS-E2E's and jittering's with true images.
template <class Model, class S, Value Z, Value T>
auto reconstruction_loss(const Model& model, const S& solver, const Z& z, const T& truth,
                         const SmoothingNoise& noise = {},
                         UnrolledStatistics<plain_t<leaf_t<Model>>>* training = nullptr) {
  return mse_loss(model(solver, z, noise, NoWatch{}, training), truth);
}

/// E ‖D_θ(t + η) − t‖² over the noise of one sample: denoisers are trained by it before they are unrolled.
template <class Model, Value T>
auto denoiser_loss(const Model& model, const T& truth, const SmoothingNoise& noise = {},
                   UnrolledStatistics<plain_t<leaf_t<Model>>>* training = nullptr) {
  return mse_loss(model.denoised(model.noisy_input(truth, noise, 0, 0), training), truth);
}

/// What the denoiser's outputs are drawn to.
enum class StabilityTarget {
  denoised_truth,   // D_θ(t): the gradient goes through it, too
  truth,            // t
  initial_iterate,  // D_θ0(xⁿ), by the denoiser that training began with
  iterate           // D_θ(xⁿ), as a constant
};

struct StabilityOptions {
  StabilityTarget target = StabilityTarget::denoised_truth;
  double stability = 1, reconstruction = 1;  // weights of ℓ_U and of the reconstruction's loss
};

/// ℓ_U + the reconstruction's loss, ℓ_U = Σ_n E_η ‖D_θ(xⁿ + η) − T‖²; with Smoothing::step ℓ_U is of the images after
/// data consistency, Σ_n E_η ‖DC(D_θ(xⁿ + η)) − DC(T)‖². It does not know of weights: weighted networks have the same.
///   initial  the denoiser's network as training began, for StabilityTarget::initial_iterate
///   Throws   ValueError where that is missing, and for networks that are not smoothed in their steps.
template <class Model, class S, Value Z, Value T, class Initial = Model>
auto stability_loss(const Model& model, const S& solver, const Z& z, const T& truth, const SmoothingNoise& noise = {},
                    const StabilityOptions& o = {}, const Initial* initial = nullptr,
                    UnrolledStatistics<plain_t<leaf_t<Model>>>* training = nullptr) {
  using V = promote_t<promote_t<leaf_t<Model>, Z>, T>;
  require(model.settings.per_step(), "stability loss: of a network that is not smoothed in its steps");
  require(initial || o.target != StabilityTarget::initial_iterate,
          "stability loss: the target is by the initial denoiser, which is not given");
  const auto as_made = [&](const V& target) {
    if (model.settings.smoothing != Smoothing::step) return target;
    return V(consistent(solver, z, target, model.lambda));
  };
  const bool fixed = o.target == StabilityTarget::truth || o.target == StabilityTarget::denoised_truth;
  V target, apart;
  if (fixed) target = as_made(o.target == StabilityTarget::truth ? lift<V>(truth) : lift<V>(model.denoised(truth)));
  int of = -1;
  const auto watch = [&](int n, int, const V& x, const V& made) {
    if (!fixed && n != of) {
      const auto at = plain(x);
      target = as_made(o.target == StabilityTarget::iterate ? lift<V>(plain(model.denoised(lift<V>(at))))
                                                            : lift<V>(plain(initial->denoised(at))));
      of = n;
    }
    apart = plus(apart, mse_loss(made, target));
  };
  const V x = model(solver, z, noise, watch, training);
  const V loss = scale(V(mse_loss(x, truth)), o.reconstruction);
  return apart.defined() ? add(loss, scale(apart, o.stability / model.settings.samples)) : loss;
}

/// E_η ‖f_θ(noisy) − f_θ0(clean)‖² over the samples of an end-to-end mean: RS-E2E drawn to what the network said of
/// clean data as training began, `clean` = f_θ0(z) without smoothing. With the truth for `clean` it is the form by
/// labels.
///   Throws  ValueError for networks that are not smoothed end to end.
template <class Model, class S, Value Z, Value C>
auto end_to_end_loss(const Model& model, const S& solver, const Z& z, const C& clean, const SmoothingNoise& noise = {},
                     UnrolledStatistics<plain_t<leaf_t<Model>>>* training = nullptr) {
  using V = promote_t<promote_t<leaf_t<Model>, Z>, C>;
  require(model.settings.end_to_end(), "end-to-end loss: of a network that is not smoothed end to end");
  model.check();
  V total;
  for (int m = 0; m < model.settings.samples; ++m)
    total = plus(total, V(mse_loss(model.sample(solver, z, noise, m, NoWatch{}, training), clean)));
  return scale(total, 1.0 / model.settings.samples);
}

/// The network without its smoothing: what weights reconstruct as MoDL. Leaves are shared.
template <class Model>
Model without_smoothing(Model model) {
  model.settings.smoothing = Smoothing::none;
  model.weighting = {};
  return model;
}

}  // namespace tenzo::mri
