// Perturbations of measurements and images that spoil a reconstruction.
//   Source  Antun et al. 2020, "On instabilities of deep learning in image reconstruction". The protocols are those of
//           Li et al. 2023 (images, masked gradient) and of Liang et al. 2025 (k-space), "SMUG".
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/attack/pgd.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/mri/losses.hpp"

namespace tenzo::mri {

/// What is perturbed: y on its sampled lines, or z = Aᴴ y.
enum class AttackDomain { kspace, image };

/// By which gradient. `adaptive`: of the whole smoothed reconstruction, with fresh noise, by way of data consistency,
/// too. `masked`: of the network without its smoothing, by way of the first denoiser's input alone; it finds weaker
/// perturbations, which are then judged on the smoothed network like the others.
enum class AttackGradient { adaptive, masked };

struct AttackOptions {
  AttackDomain domain = AttackDomain::kspace;
  AttackGradient gradient = AttackGradient::adaptive;
  attack::Threat threat = {};
  attack::PgdOptions pgd = {.steps = 10, .step = 0.25};
};

namespace detail {

/// ‖x − t‖² of each image, the mean over pixels and parts: (n, H, W, 2) -> (n).
template <Value X, Plain P>
X image_losses(const X& x, const P& truth) {
  return mean(square(sub(x, truth)), {1, 2, 3});
}

}  // namespace detail

/// Perturbations of `at` that make ‖f_θ − t‖² of each image large: of y (n, C, H, W, 2) or of z (n, H, W, 2), as the
/// options say; zero on lines that are not sampled.
///   at, truth  on the host, whatever the device of model and solver, and so is what comes back
///   noise      its seed and images; draws of the attack are counted from its own on, and iterates are judged by
///              held_out noise
///   Cost    a gradient with all samples a step and draw, a reconstruction a score.
///   Throws  ValueError where the threat can not be, ShapeError where images and truth differ.
template <class Model, class S, Real T>
attack::PgdResult<T> worst_perturbation(const Model& model, const S& solver, const Tensor<T>& at,
                                        const Tensor<T>& truth, const AttackOptions& o = {},
                                        const SmoothingNoise& noise = {}) {
  const auto& e = solver.encoding();
  const bool kspace = o.domain == AttackDomain::kspace;
  expect(kspace ? at.rank() == 5 && e.image_shape(at.dim(0)) == truth.shape() : at.shape() == truth.shape(),
         "attack: of ", at.shape(), " with a truth ", truth.shape());
  using P = std::remove_cvref_t<decltype(e.mask)>;
  using D = typename P::device;
  const P at_there = at.template to<D>(), truth_there = truth.template to<D>();
  const auto image = [&](const auto& delta) {
    const auto moved = add(delta, at_there);
    return kspace ? e.adjoint(moved) : moved;
  };
  const Model plainly = without_smoothing(model);
  const auto gradient = [&](const Tensor<T>& delta, const attack::PgdQuery& q) {
    const auto draw = noise.draw + std::uint32_t(((q.restart * o.pgd.steps + q.step) * o.pgd.draws + q.draw));
    const P delta_there = delta.template to<D>();
    const auto losses = [&](const auto& d) {
      if (o.gradient == AttackGradient::masked)
        return detail::image_losses(plainly.unroll(solver, image(delta_there), image(d)), truth_there);
      return detail::image_losses(model(solver, image(d), noise.at_draw(draw)), truth_there);
    };
    auto g = vjp(losses, delta_there, P::ones({truth.dim(0)}));
    return attack::LossesAndGradient<T>{g.value.template to<Cpu>(), g.grad.template to<Cpu>()};
  };
  const auto score = [&](const Tensor<T>& delta) {
    const bool masked = o.gradient == AttackGradient::masked;
    const auto x = (masked ? plainly : model)(solver, image(delta.template to<D>()), noise.held_out());
    return detail::image_losses(x, truth_there).template to<Cpu>();
  };
  return attack::pgd(at, o.threat, o.pgd, gradient, score, kspace ? e.lines().template to<Cpu>() : Tensor<T>{});
}

/// ρ ‖y_i‖ of each sample: radii relative to the measurements.
template <Real T>
std::vector<double> relative_radii(const Tensor<T>& y, double rho) {
  require(rho >= 0, "attack: ", rho, " times the measurements");
  std::vector<double> r = attack::sample_norms(attack::Norm::l2, y);
  for (double& v : r) v *= rho;
  return r;
}

/// Random perturbations on the sampled lines, ‖δ_i‖₂ = radii[i]: what an attack is compared with.
template <Real T>
Tensor<T> random_perturbation(const Encoding<Tensor<T>>& e, const Tensor<T>& y, const std::vector<double>& radii,
                              std::uint64_t seed) {  // y (n, C, H, W, 2) -> the same
  expect(y.rank() == 5 && std::int64_t(radii.size()) == y.dim(0), "random perturbation: ", radii.size(),
         " radii for k-space ", y.shape());
  Tensor<T> d = mul(attack::random_directions<T>(attack::Norm::l2, y.shape(), std::vector<double>(radii.size(), 1.0),
                                                 attack::attack_key(seed, 0, 0, 2)),
                    e.lines());
  const std::vector<double> size = attack::sample_norms(attack::Norm::l2, d);
  const std::int64_t width = y.shape().inner(0);
  for (std::int64_t i = 0; i < y.dim(0); ++i)
    for (std::int64_t j = 0; j < width; ++j) d(i * width + j) *= T(radii[std::size_t(i)] / size[std::size_t(i)]);
  return d;
}

/// y with the worst noise that this network is known for: adversarial training is the loss of what is reconstructed of
/// it.
///   Source  Madry et al. 2018.
template <class Model, class S, Real T>
Tensor<T> adversarial_measurements(const Model& model, const S& solver, const Tensor<T>& y, const Tensor<T>& truth,
                                   const AttackOptions& o, const SmoothingNoise& noise = {}) {
  require(o.domain == AttackDomain::kspace, "adversarial measurements: an attack on images");
  return add(y, worst_perturbation(model, solver, y, truth, o, noise).delta);
}

}  // namespace tenzo::mri
