// SAMA: hypergradients of lower levels that are trained by Adam, at the price of first derivatives.
//   Source  Choe et al. 2023, "Making scalable meta learning practical".
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "tenzo/bilevel/steps.hpp"
#include "tenzo/solve/linear.hpp"

namespace tenzo::bilevel {

/// A linear solver for implicit_gradient that takes for H⁻¹ how far Adam's next step moves y by its gradient:
///   x = D b,  D = lr diag [c₁ (1 − β₁) / s − c₂ (1 − β₂) m̂ g / s³],  s = √(v̂ + ε²), at the gradient g and moments m,
///   v.
/// The hypergradient is then that of one step of `AdamStep` unrolled. On DifferenceProducts of a problem it takes no
/// second derivative: three gradients of g and one of f in all.
///   gradient, state, t   ∇_y g at y, and the state (y, m, v) and number of the next step
///   Cost                 no product.
template <Tree Y>
struct AdamInverse {
  AdamStep step;
  Y gradient;
  std::array<Y, 3> state;
  std::int64_t t = 0;

  template <LinearOperator<Y> A>
  LinearSolution<Y> operator()(A&&, const Y& b, const Y& = {}) const {
    using V = leaf_t<Y>;
    using T = scalar_t<V>;
    const double c1 = 1 / (1 - std::pow(step.beta1, double(t + 1))), c2 = 1 / (1 - std::pow(step.beta2, double(t + 1)));
    LinearSolution<Y> out{clone(b), {}};
    for_each_leaf(
        [&](const Path&, V& x, const V& g, const V& m, const V& v) {
          for (std::int64_t i = 0; i < x.size(); ++i) {
            const double slope = double(g(i)), m_hat = c1 * (step.beta1 * double(m(i)) + (1 - step.beta1) * slope),
                         v_hat = c2 * (step.beta2 * double(v(i)) + (1 - step.beta2) * slope * slope),
                         s = std::sqrt(v_hat + step.eps * step.eps);
            x(i) = T(double(x(i)) * step.lr *
                     (c1 * (1 - step.beta1) / s - c2 * (1 - step.beta2) * m_hat * slope / (s * s * s)));
          }
        },
        out.x, gradient, state[1], state[2]);
    return out;
  }
};

}  // namespace tenzo::bilevel
