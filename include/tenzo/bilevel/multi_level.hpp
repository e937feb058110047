// Hypergradients through a chain of levels, each the minimum of its own loss given the level above.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/solve/cg.hpp"

namespace tenzo::bilevel {

/// (dy*/dx)ᵀ u of y*(x) = argmin g(x, ·), at y near y*(x):  −∇²_xy g (∇²_yy g)⁻¹ u.
///   Cost  a Hessian product an iteration of the solver, and a cross product.
template <class P, Tree X, Tree Y, class Solver = Cg>
X best_response_product(Oracle<P>& oracle, const X& x, const Y& y, const Y& u, const Solver& solve = {}) {
  const LowerHessian<P, X, Y> hessian(oracle, x, y);
  Y b = clone(u);
  scale_(b, -1);
  const Y v = solve([&](const Y& w) { return hessian(w); }, b, Y{}).x;
  return oracle.cross_product(x, y, v);
}

namespace detail {

/// The loss of a level in the place of a problem's lower one.
template <class G>
struct LevelProblem {
  const G& lower;
};

/// Adds to the gradient by level l − 1 what comes through level l, from the lowest level up.
template <std::size_t l, class Levels, class Losses, class Solver>
void chain_(Levels& gradient, const Levels& x, const Losses& losses, const Solver& solve) {
  if constexpr (l > 0) {
    using G = std::tuple_element_t<l - 1, Losses>;
    const LevelProblem<G> problem{std::get<l - 1>(losses)};
    Oracle oracle(problem);
    axpy_(1, best_response_product(oracle, std::get<l - 1>(x), std::get<l>(x), std::get<l>(gradient), solve),
          std::get<l - 1>(gradient));
    chain_<l - 1>(gradient, x, losses, solve);
  }
}

}  // namespace detail

/// dF/dx₀ of F(x₀) = f(x₀, x₁, …, x_L), where x_l minimises g_l(x_{l−1}, ·), by the implicit function at each level:
///   v_L = ∇_{x_L} f,   v_{l−1} = ∇_{x_{l−1}} f + (dx_l/dx_{l−1})ᵀ v_l,   dF/dx₀ = v₀.
///   f(x₀, …, x_L)     a single number, generic over the value types of all
///   losses            g_1 … g_L, each of two trees
///   x                 x₀ and, near their minima, the levels below it
///   One level below x₀ is `implicit_gradient`. Levels that read others than the one above want unrolling.
///   Source  Choe et al. 2023, "Betty".
template <class F, class... G, Tree... X, class Solver = Cg>
auto chain_gradient(const F& f, const std::tuple<G...>& losses, const std::tuple<X...>& x, const Solver& solve = {}) {
  static_assert(sizeof...(X) == sizeof...(G) + 1, "tenzo: a chain has a loss for each level but the first");
  auto g = value_and_grad(
      [&](const auto& levels) {
        using V = leaf_t<std::tuple_element_t<0, std::remove_cvref_t<decltype(levels)>>>;
        return lift<V>(std::apply(f, levels));
      },
      x);
  detail::chain_<sizeof...(G)>(g.grad, x, losses, solve);
  return std::get<0>(std::move(g.grad));
}

}  // namespace tenzo::bilevel
