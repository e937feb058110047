// Bi-level problems, and what solvers ask of them.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "tenzo/autodiff/hessian.hpp"
#include "tenzo/bilevel/sets.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::bilevel {

/// min over x ∈ X of f(x, y*(x)) with y*(x) ∈ argmin over y ∈ C of g(x, y).
///   upper(x, y), lower(x, y)   f and g: single numbers, generic over the value types of both trees
///   upper_set, lower_set       X and C, with their projections
///   A problem may bring derivatives of its own, which are then taken: members `lower_gradient(x, y)`,
///   `hessian_product(x, y, u)` and `cross_product(x, y, u)`.
template <class F, class G, class XSet = Everywhere, class YSet = Everywhere>
struct Problem {
  F upper;
  G lower;
  XSet upper_set = {};
  YSet lower_set = {};
};
template <class F, class G>
Problem(F, G) -> Problem<F, G>;
template <class F, class G, class XSet>
Problem(F, G, XSet) -> Problem<F, G, XSet>;
template <class F, class G, class XSet, class YSet>
Problem(F, G, XSet, YSet) -> Problem<F, G, XSet, YSet>;

/// How often a problem was asked. A gradient of both arguments counts once.
struct OracleCounts {
  std::int64_t upper = 0, lower = 0;  // values
  std::int64_t upper_gradients = 0, lower_gradients = 0;
  std::int64_t hessian_products = 0;  // ∇²_yy g u
  std::int64_t cross_products = 0;    // ∇²_xy g u

  std::int64_t all() const {
    return upper + lower + upper_gradients + lower_gradients + hessian_products + cross_products;
  }
  friend OracleCounts operator-(const OracleCounts& a, const OracleCounts& b) {
    return {a.upper - b.upper,
            a.lower - b.lower,
            a.upper_gradients - b.upper_gradients,
            a.lower_gradients - b.lower_gradients,
            a.hessian_products - b.hessian_products,
            a.cross_products - b.cross_products};
  }
};

template <Tree X, Tree Y>
struct UpperGradients {
  double value;
  X x;
  Y y;
};

/// A problem's values and derivatives at plain points, counted.
///   x and y have leaves of one type. What a function does not depend on has a gradient of zeros.
template <class P>
class Oracle {
 public:
  explicit Oracle(const P& problem) : problem_(problem) {}

  const P& problem() const { return problem_; }
  OracleCounts counts;

  template <Tree X, Tree Y>
  double upper(const X& x, const Y& y) {
    ++counts.upper;
    return number(problem_.upper(x, y));
  }
  template <Tree X, Tree Y>
  double lower(const X& x, const Y& y) {
    ++counts.lower;
    return number(problem_.lower(x, y));
  }

  /// f, ∇_x f, ∇_y f.
  template <Tree X, Tree Y>
  UpperGradients<X, Y> upper_gradients(const X& x, const Y& y) {
    ++counts.upper_gradients;
    auto g = value_and_grad(of_both(problem_.upper), std::pair(x, y));
    return {double(g.value.item()), std::move(g.grad.first), std::move(g.grad.second)};
  }
  /// g, ∇_x g, ∇_y g.
  template <Tree X, Tree Y>
  UpperGradients<X, Y> lower_gradients(const X& x, const Y& y) {
    ++counts.lower_gradients;
    auto g = value_and_grad(of_both(problem_.lower), std::pair(x, y));
    return {double(g.value.item()), std::move(g.grad.first), std::move(g.grad.second)};
  }
  /// ∇_y g.
  template <Tree X, Tree Y>
  Y lower_gradient(const X& x, const Y& y) {
    ++counts.lower_gradients;
    if constexpr (requires { problem_.lower_gradient(x, y); }) return problem_.lower_gradient(x, y);
    else
      return grad([&](const auto& q) { return as<leaf_t<std::remove_cvref_t<decltype(q)>>>(problem_.lower(x, q)); }, y);
  }
  /// ∇_x g.
  template <Tree X, Tree Y>
  X lower_gradient_x(const X& x, const Y& y) {
    ++counts.lower_gradients;
    return grad([&](const auto& q) { return as<leaf_t<std::remove_cvref_t<decltype(q)>>>(problem_.lower(q, y)); }, x);
  }
  /// ∇²_yy g u.
  template <Tree X, Tree Y>
  Y hessian_product(const X& x, const Y& y, const Y& u) {
    ++counts.hessian_products;
    if constexpr (requires { problem_.hessian_product(x, y, u); }) return problem_.hessian_product(x, y, u);
    else
      return hvp([&](const auto& q) { return as<leaf_t<std::remove_cvref_t<decltype(q)>>>(problem_.lower(x, q)); }, y,
                 u);
  }
  /// ∇²_xy g u = ∇_x ⟨∇_y g, u⟩.
  template <Tree X, Tree Y>
  X cross_product(const X& x, const Y& y, const Y& u) {
    ++counts.cross_products;
    if constexpr (requires { problem_.cross_product(x, y, u); }) return problem_.cross_product(x, y, u);
    else return mixed_product(problem_.lower, x, y, u);
  }
  /// (∇²_xy g u, ∇²_yy g u) in one pass.
  template <Tree X, Tree Y>
  std::pair<X, Y> second_products(const X& x, const Y& y, const Y& u) {
    ++counts.cross_products, ++counts.hessian_products;
    using V = leaf_t<X>;
    const X nothing = map_tree<V>(x, [](const V&) { return V{}; });
    return hvp(of_both(problem_.lower), std::pair(x, y), std::pair(nothing, u));
  }

 private:
  template <class V, class U>
  static V as(const U& value) {
    return lift<V>(value);
  }
  template <class U>
  static double number(const U& value) {
    return double(value.item());
  }
  template <class F>
  static auto of_both(const F& f) {
    return [&f](const auto& q) { return as<leaf_t<std::remove_cvref_t<decltype(q)>>>(f(q.first, q.second)); };
  }

  const P& problem_;
};

/// ∇_y g and the products of ∇²_yy g at one point: recorded once, or the problem's own.
template <class P, Tree X, Tree Y>
class LowerHessian {
  static constexpr bool recorded = !requires(const P& p, const X& x, const Y& y) { p.hessian_product(x, y, y); }
  &&!requires(const P& p, const X& x, const Y& y) { p.lower_gradient(x, y); };

 public:
  LowerHessian(Oracle<P>& oracle, const X& x, const Y& y)
      : oracle_(oracle), x_(x), y_(y), record_(recorder(oracle, x, y)) {}

  Y gradient() const {
    if constexpr (recorded) {
      ++oracle_.counts.lower_gradients;
      return record_.gradient();
    } else {
      return oracle_.lower_gradient(x_, y_);
    }
  }
  Y operator()(const Y& u) const {
    if constexpr (recorded) {
      ++oracle_.counts.hessian_products;
      return record_(u);
    } else {
      return oracle_.hessian_product(x_, y_, u);
    }
  }

 private:
  struct Nothing {};
  static auto recorder(Oracle<P>& oracle, const X& x, const Y& y) {
    if constexpr (recorded) {
      return Hessian<Y>(
          [&](const auto& q) { return lift<leaf_t<std::remove_cvref_t<decltype(q)>>>(oracle.problem().lower(x, q)); },
          y);
    } else {
      return Nothing{};
    }
  }

  Oracle<P>& oracle_;
  const X& x_;
  const Y& y_;
  std::conditional_t<recorded, Hessian<Y>, Nothing> record_;
};

}  // namespace tenzo::bilevel
