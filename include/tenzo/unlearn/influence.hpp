// Influence unlearning: one Newton step that takes the forget set out.
//   Source  Koh, Liang 2017; Guo et al. 2020, "Certified data removal"; Izzo et al. 2021.
#pragma once

#include <cstdint>
#include <string_view>

#include "tenzo/solve/cg.hpp"
#include "tenzo/unlearn/request.hpp"
#include "tenzo/unlearn/sums.hpp"

namespace tenzo::unlearn {

/// θ + A⁻¹ g by conjugate gradients, for the products of A and the gradient g of what is taken out.
template <Tree M, LinearOperator<M> A>
LinearSolution<M> take_out(const M& model, const M& gradient, A&& product, const LinearOptions& o) {
  LinearSolution<M> s = Cg{o}(product, gradient);
  M moved = clone(model);
  axpy_(1, s.x, moved);
  s.x = std::move(moved);
  return s;
}

/// IU: θ_o + H⁻¹ Σ_{D_f} ∇ℓ, where a sample's loss is ℓ = CE + ½ l2 ‖θ‖² and H = Σ_{D_r} ∇²ℓ, both divided by |D_r|.
///   Where θ_o is a minimum of Σ_D ℓ, this is Newton's step on Σ_{D_r} ℓ: the minimum itself for a quadratic loss, and
///   retraining up to O((|D_f| / |D_r|)²) for others.
///   l2         weight decay of the training that θ_o came from
///   solver     its damping is added to H / |D_r|; where H is not positive definite it stops early
///   curvature  Gauss-Newton, which is positive semi-definite; or the Hessian
struct Influence {
  static constexpr std::string_view name = "iu";
  static constexpr bool relabels = false;
  double l2 = 5e-4, scale = 1;
  Curvature curvature = Curvature::gauss_newton;
  LinearOptions solver = {.iterations = 50, .rtol = 1e-4, .damping = 1e-2};
  std::int64_t batch = 256;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    return solve(r).x;
  }

  /// The model, and what the solver says.
  template <Tree M, Real T>
  LinearSolution<M> solve(const Request<M, T>& r) const {
    check(r);
    const Samples<T> forget = r.forget_samples(), retain = r.retain_samples();
    const double n = double(retain.size());
    M g = sum_gradient(r.model, forget, batch);
    add_decay_(g, r.model, double(forget.size()) * l2);
    scale_(g, scale / n);
    const auto product = [&](const M& v) {
      M hv = sum_curvature_product(curvature, r.model, retain, v, batch);
      scale_(hv, 1 / n);
      add_decay_(hv, v, l2);
      return hv;
    };
    return take_out(r.model, g, product, solver);
  }

 private:
  /// g += s θ, but for running statistics.
  template <Tree M>
  static void add_decay_(M& g, const M& theta, double s) {
    const M trained =
        map_tree<leaf_t<M>>(theta, [](const Path& at, const auto& v) { return is_trained(at) ? v : leaf_t<M>{}; });
    axpy_(s, trained, g);
  }
};

}  // namespace tenzo::unlearn
