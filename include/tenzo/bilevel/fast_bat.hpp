// Fast bi-level adversarial training: the attack is a lower level whose minimum is known in closed form.
//   Source  Zhang et al. 2022, "Revisiting and advancing fast adversarial training through the lens of bi-level
//           optimization", and its published code.
#pragma once

#include <utility>

#include "tenzo/bilevel/hypergradient.hpp"

namespace tenzo::bilevel {

/// Lower level: δ* = Π(z − step ∇_δ ℓ_atk(θ, z)), the minimum of the attack's linearisation at z and a quadratic term,
/// over a set of perturbations. Hypergradient: ∇_θ ℓ_tr − λ⁻¹ ∇_θ ⟨∇_δ ℓ_atk, H ∇_δ ℓ_tr(δ*)⟩, H the face of the
/// projection.
///   The published code steps by 5000/255 but divides by λ = 10, which are two different λ; with step = 1/λ they agree.
///   Its steps are gradients, not their signs; it takes two, the first from uniform noise.
struct FastBat {
  double step = 5000.0 / 255;
  double lambda = 10;
  int steps = 2;

  /// The gradient by θ and the attack that it is of.
  ///   train(θ, δ), attack(θ, δ)   scalar losses, the attack's to be made small: minus the summed cross entropy
  ///   z      where the attack begins;   set   of the perturbations: a Box, or one that depends on the images
  template <class Train, class Attack, class Set, Tree X, Tree Y>
  Hypergradient<X, Y> operator()(const Train& train, const Attack& attack, const Set& set, const X& theta,
                                 const Y& z) const {
    require(steps >= 1 && lambda > 0, "Fast-BAT: ", steps, " steps, lambda ", lambda);
    const Problem problem{train, attack};
    Oracle oracle(problem);
    Y linearised_at = z, delta = z;
    auto landed = set.project(z);
    for (int i = 0; i < steps; ++i) {
      linearised_at = delta;
      Y moved = clone(delta);
      axpy_(-step, oracle.lower_gradient(theta, delta), moved);
      landed = set.project(moved);
      delta = landed.point;
    }
    Hypergradient<X, Y> h;
    UpperGradients<X, Y> f = oracle.upper_gradients(theta, delta);
    h.value = f.value;
    h.solution = std::move(delta);
    h.direct = clone(f.x);
    h.gradient = std::move(f.x);
    h.adjoint = clone(landed.face.along(f.y));
    scale_(h.adjoint, -1 / lambda);
    axpy_(1, oracle.cross_product(theta, linearised_at, h.adjoint), h.gradient);
    h.report.counts = oracle.counts;
    return h;
  }
};

}  // namespace tenzo::bilevel
