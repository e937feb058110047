// Steps of lower-level solvers as maps y_t = Φ_t(x, y_{t−1}): values on any value type, and what their derivatives pull
// back.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo::bilevel {

/// The state of a solver: y, and behind it N − 1 trees of moments.
template <class Y, std::size_t N>
using State = std::array<Y, N>;

namespace detail {

/// a + s b on any value type; the leaves of one may be less deep.
template <Tree A, Tree B>
auto plus_scaled(const A& a, double s, const B& b) {
  using W = promote_t<leaf_t<A>, leaf_t<B>>;
  return map_tree<W>(
      a, [s](const auto& u, const auto& v) { return v.defined() ? W(add(u, scale(v, s))) : W(lift<W>(u)); }, b);
}

/// ∇_y g at y, at the level of x and y.
template <class G, Tree X, Tree Y>
auto gradient_of(const G& lower, const X& x, const Y& y) {
  using W = promote_t<leaf_t<X>, leaf_t<Y>>;
  const auto lifted = map_tree<W>(y, [](const auto& v) { return lift<W>(v); });
  return grad([&](const auto& q) { return lift<leaf_t<std::remove_cvref_t<decltype(q)>>>(lower(x, q)); }, lifted);
}

/// Cotangents of x and of a state.
template <class X, class S>
struct Pulled {
  X x;
  S state;
};

}  // namespace detail

/// A step map: `moments` trees beside y, and a call (lower loss, lower set, x, state, t) → state on any value type.
/// A map may know a cheaper way to its vector-Jacobian product, `pull_back(oracle, x, state, t, cotangent)`.
template <class S>
concept StepMap = requires(const S& s) {
  { S::moments } -> std::convertible_to<std::size_t>;
};

/// y ← Π(y − lr ∇_y g).
struct GradientStep {
  static constexpr std::size_t moments = 0;
  double lr = 0.1;

  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t) const {
    const auto g = detail::gradient_of(lower, x, s[0]);
    return std::array{project(set, detail::plus_scaled(s[0], -lr, g))};
  }
  /// ȳ = a − lr H a, x̄ = −lr M a, with a cut to the face of the projection: no second tape.
  template <class P, Tree X, Tree Y>
  detail::Pulled<X, State<Y, 1>> pull_back(Oracle<P>& oracle, const X& x, const State<Y, 1>& s, std::int64_t,
                                           const State<Y, 1>& cotangent) const {
    Y a = cotangent[0];
    if constexpr (!detail::unbounded<decltype(oracle.problem().lower_set)>) {
      const Y moved = detail::plus_scaled(s[0], -lr, oracle.lower_gradient(x, s[0]));
      a = vjp_of_projection(oracle.problem().lower_set, moved, a);
    }
    auto [mx, hy] = oracle.second_products(x, s[0], a);
    scale_(mx, -lr);
    scale_(hy, -lr);
    axpy_(1, a, hy);
    return {std::move(mx), {std::move(hy)}};
  }

 private:
  template <class Set, Tree Y>
  static Y vjp_of_projection(const Set& set, const Y& at, const Y& a) {
    return grad([&](const auto& q) { return dot(project(set, q), a); }, at);
  }
};

/// m ← momentum m + ∇_y g;  y ← y − lr m, or y − lr (∇_y g + momentum m) with `nesterov`.
struct MomentumStep {
  static constexpr std::size_t moments = 1;
  double lr = 0.1, momentum = 0.9;
  bool nesterov = false;

  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t) const {
    const auto g = detail::gradient_of(lower, x, s[0]);
    const auto m = detail::plus_scaled(g, momentum, s[1]);
    const auto by = nesterov ? detail::plus_scaled(g, momentum, m) : m;
    return std::array{project(set, detail::plus_scaled(s[0], -lr, by)), m};
  }
};

/// Adam, with ε inside the root: m̂ / √(v̂ + ε²), which has a derivative at v = 0.
///   Source  Kingma, Ba 2015.
struct AdamStep {
  static constexpr std::size_t moments = 2;
  double lr = 1e-2, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;

  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t t) const {
    const auto g = detail::gradient_of(lower, x, s[0]);
    using W = leaf_t<std::remove_cvref_t<decltype(g)>>;
    const auto square_of = map_tree<W>(g, [](const W& v) { return W(square(v)); });
    const auto m = moment(s[1], g, beta1), v = moment(s[2], square_of, beta2);
    const double c1 = 1 / (1 - std::pow(beta1, double(t + 1))), c2 = 1 / (1 - std::pow(beta2, double(t + 1)));
    const auto by = map_tree<W>(
        m, [&](const W& a, const W& b) { return W(div(scale(a, c1), sqrt(scale(b, c2) + eps * eps))); }, v);
    return std::array{project(set, detail::plus_scaled(s[0], -lr, by)), m, v};
  }

 private:
  template <class A, class B>
  static auto moment(const A& before, const B& now, double beta) {
    using W = leaf_t<B>;
    return map_tree<W>(
        before, [beta](const auto& a, const W& b) { return W(add(scale(lift<W>(a), beta), scale(b, 1 - beta))); }, now);
  }
};

/// v ← decay v + (1 − decay) g²;  y ← y − lr g / √(v + ε²).
///   Source  Hinton 2012, lecture 6 (RMSProp), with ε inside the root.
struct RmsPropStep {
  static constexpr std::size_t moments = 1;
  double lr = 1e-2, decay = 0.99, eps = 1e-8;

  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t) const {
    const auto g = detail::gradient_of(lower, x, s[0]);
    using W = leaf_t<std::remove_cvref_t<decltype(g)>>;
    const auto v = map_tree<W>(
        s[1], [&](const auto& a, const W& b) { return W(add(scale(lift<W>(a), decay), scale(square(b), 1 - decay))); },
        g);
    const auto by = map_tree<W>(
        g, [&](const W& a, const W& b) { return W(div(a, sqrt(b + eps * eps))); }, v);
    return std::array{project(set, detail::plus_scaled(s[0], -lr, by)), v};
  }
};

/// y ← Π(y − lr sign ∇_y g). The derivative of the sign is zero by definition, so that y does not depend on x: a choice
/// of the model, not an identity, since the sign jumps.
///   Source  Fan et al. 2024, "Challenging Forgets".
struct SignStep {
  static constexpr std::size_t moments = 0;
  double lr = 1e-3;

  template <class G, class Set, Tree X, class S>
  auto operator()(const G& lower, const Set& set, const X& x, const S& s, std::int64_t) const {
    const auto x0 = map_tree<plain_t<leaf_t<X>>>(x, [](const auto& v) { return plain(v); });
    using W = leaf_t<std::remove_cvref_t<decltype(s[0])>>;
    const auto y0 = map_tree<plain_t<W>>(s[0], [](const auto& v) { return plain(v); });
    auto g = detail::gradient_of(lower, x0, y0);
    for_each_leaf(
        [](const Path&, auto& v) {
          auto host = v.template to<Cpu>();
          for (auto& e : host.values()) e = e > 0 ? 1 : e < 0 ? -1 : e;  // NaN stays
          v = host.template to<typename std::remove_cvref_t<decltype(v)>::device>();
        },
        g);
    return std::array{project(set, detail::plus_scaled(s[0], -lr, g))};
  }
};

}  // namespace tenzo::bilevel
