// Products with second derivatives by differences of gradients: problems whose Hessians are never differentiated.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "tenzo/bilevel/problem.hpp"

namespace tenzo::bilevel {

/// The problem P with
///   H u ≈ [∇_y g(x, y + ε u) − ∇_y g(x, y − ε u)] / 2ε,   M u ≈ [∇_x g(x, y + ε u) − ∇_x g(x, y − ε u)] / 2ε.
///   radius   ε ‖u‖; 0 takes √(machine epsilon) ‖y‖ in double and 0.01 in float, of 1 where y is 0
///   Error    O(ε²) by third derivatives, and rounding of gradients over ε.   Cost   two gradients a product.
///   An Oracle counts these as products, not as gradients.
template <class P>
struct DifferenceProducts : P {
  double radius = 0;

  explicit DifferenceProducts(const P& problem, double r = 0) : P(problem), radius(r) {
    require(r >= 0, "difference products: the radius is ", r, "; want 0 or more");
  }

  template <Tree X, Tree Y>
  Y hessian_product(const X& x, const Y& y, const Y& u) const {
    return difference(y, u, [&](Oracle<P>& o, const Y& at) { return o.lower_gradient(x, at); });
  }
  template <Tree X, Tree Y>
  X cross_product(const X& x, const Y& y, const Y& u) const {
    if (norm(u) == 0) return zeros_like(x);
    return difference(y, u, [&](Oracle<P>& o, const Y& at) { return o.lower_gradient_x(x, at); });
  }

 private:
  template <Tree Y, class Gradient>
  auto difference(const Y& y, const Y& u, Gradient&& gradient) const {
    using T = scalar_t<leaf_t<Y>>;
    const double size = norm(u), there = norm(y);
    double step = radius;
    if (step == 0)
      step = std::is_same_v<T, double> ? std::sqrt(std::numeric_limits<double>::epsilon()) * (there > 0 ? there : 1)
                                       : 0.01;
    const double eps = size > 0 ? step / size : step;
    Oracle<P> oracle(static_cast<const P&>(*this));
    Y at = clone(y);
    axpy_(eps, u, at);
    auto d = gradient(oracle, at);
    at = clone(y);
    axpy_(-eps, u, at);
    axpy_(-1, gradient(oracle, at), d);
    scale_(d, 1 / (2 * eps));
    return d;
  }
};

}  // namespace tenzo::bilevel
