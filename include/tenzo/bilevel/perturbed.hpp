// A lower loss with a small random linear term, which makes a constrained problem's hypergradient exist almost surely.
#pragma once

#include <cstdint>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/nn/init.hpp"

namespace tenzo::bilevel {

/// g(x, y) + ⟨q, y⟩. Where constraints are active without force, F has no derivative; with q drawn from a law that has
/// a density the probability of such points is zero. The minimum moves by ‖q‖ / μ at most, μ the strong convexity of g.
///   Source  Khanduri et al. 2023, "Linearly constrained bilevel optimization: a smoothed implicit gradient approach"
///           (SIGD)
template <class G, Tree Y>
struct PerturbedLower {
  G lower;
  Y q;

  template <class A, class B>
  auto operator()(const A& x, const B& y) const {
    return add(lower(x, y), dot(y, q));
  }
};

/// The problem with its lower loss perturbed by q of normal numbers, as many as y has, of a deviation.
///   Throws  ValueError for a deviation that is not above zero.
template <class F, class G, class XSet, class YSet, Tree Y>
auto perturbed(const Problem<F, G, XSet, YSet>& p, const Y& like, double deviation, std::uint64_t seed) {
  require(deviation > 0, "perturbed: a deviation of ", deviation);
  using V = leaf_t<Y>;
  std::uint32_t leaf = 0;
  const Y q = map_tree<V>(like, [&](const V& v) {
    return random_normal<scalar_t<V>>(v.shape(), initial_key(seed, leaf++), deviation).template to<device_t<V>>();
  });
  return Problem{p.upper, PerturbedLower<G, Y>{p.lower, q}, p.upper_set, p.lower_set};
}

}  // namespace tenzo::bilevel
