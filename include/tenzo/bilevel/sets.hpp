// Feasible sets, their Euclidean projections, and the derivatives of these.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::bilevel {

/// Where a projection onto a polyhedron lands: the directions that its face leaves free. The Jacobian of the projection
/// there is the orthogonal projection onto them.
template <Tree V>
struct Face {
  V free = {};         // 1 where an element moves, 0 where a bound holds it; undefined: all move
  double movable = 0;  // number of elements that move, counted where their sum is fixed
  bool fixed_sum = false;
  /// The smallest distance of an element from its bound: at zero the projection has no derivative.
  double margin = std::numeric_limits<double>::infinity();

  bool at_kink(double tolerance = 1e-12) const { return margin <= tolerance; }

  /// The part of u along the face, on any value type.
  template <Tree U>
  U along(const U& u) const {
    using W = leaf_t<U>;
    if (!has_leaves(free)) return u;
    U v = map_tree<W>(
        u, [](const W& x, const auto& keep) { return W(mul(x, keep)); }, free);
    if (!fixed_sum || movable == 0) return v;
    W total;
    for_each_leaf([&](const Path&, const W& x) { total = plus(total, sum(x)); }, v);
    const W mean = scale(total, 1 / movable);
    return map_tree<W>(
        v, [&](const W& x, const auto& keep) { return W(sub(x, mul(mean, keep))); }, free);
  }
};

template <Tree V>
struct Projected {
  V point;
  Face<V> face;
};

/// No constraint.
struct Everywhere {
  template <Tree V>
  Projected<V> project(const V& x) const {
    return {x, {}};
  }
};

namespace detail {

template <class Set>
inline constexpr bool unbounded = std::is_same_v<std::remove_cvref_t<Set>, Everywhere>;

/// x cut to [low, high] element by element after `shift` is taken off, and the face.
template <Tree V>
Projected<V> clipped(const V& x, double low, double high, double shift) {
  using L = leaf_t<V>;
  using T = scalar_t<L>;
  Projected<V> p;
  p.point = zeros_like(x);
  p.face.free = zeros_like(x);
  for_each_leaf(
      [&](const Path&, const L& from, L& to, L& free) {
        for (std::int64_t i = 0; i < from.size(); ++i) {
          const double v = double(from(i)) - shift;
          const bool inside = v > low && v < high;
          to(i) = T(std::min(std::max(v, low), high));
          if (v != v) to(i) = T(v);  // NaN is not hidden
          free(i) = T(inside);
          p.face.movable += inside;
          p.face.margin = std::min({p.face.margin, std::abs(v - low), std::abs(v - high)});
        }
      },
      x, p.point, p.face.free);
  return p;
}

template <Tree V>
std::vector<double> elements(const V& x) {
  std::vector<double> out;
  for_each_leaf([&](const Path&, const auto& v) { out.insert(out.end(), v.values().begin(), v.values().end()); }, x);
  return out;
}

}  // namespace detail

/// {low ≤ x ≤ high}.
struct Box {
  double low = 0, high = 1;

  template <Tree V>
  Projected<V> project(const V& x) const {
    require(low <= high, "box: [", low, ", ", high, ']');
    return detail::clipped(x, low, high, 0);
  }
};

/// {low ≤ x ≤ high, Σ x = total}, Σ over all leaves; [0, 1] is the capped simplex, [0, ∞) the simplex.
///   Method  Π(a) = clip(a − μ, low, high) with the root μ of Σ clip(a − μ, low, high) = total, exactly: the sum is
///   linear
///           between the breakpoints a − low and a − high. O(n log n).
///   Throws  ValueError where no point has that sum.
struct CappedSimplex {
  double total = 1, low = 0, high = 1;

  template <Tree V>
  Projected<V> project(const V& x) const {
    Projected<V> p = detail::clipped(x, low, high, shift(detail::elements(x)));
    p.face.fixed_sum = true;
    return p;
  }

  /// The root μ.
  double shift(const std::vector<double>& a) const {
    const double n = double(a.size());
    require(total >= n * low && (total <= n * high || n == 0), "capped simplex: ", a.size(), " numbers in [", low, ", ",
            high, "] can not sum to ", total);
    if (a.empty()) return 0;
    // The sum falls as μ grows: element i is `high` up to a − high, free up to a − low, `low` from there on.
    std::vector<std::pair<double, int>> points;
    for (const double v : a) {
      if (!std::isfinite(v)) return std::numeric_limits<double>::quiet_NaN();
      if (std::isfinite(high)) points.emplace_back(v - high, 1);
      points.emplace_back(v - low, -1);
    }
    std::sort(points.begin(), points.end());
    const bool capped = std::isfinite(high);
    double free = capped ? 0 : n, sum_free = 0, fixed = capped ? n * high : 0;
    if (!capped)
      for (const double v : a) sum_free += v;
    double best = points.back().first;
    for (const auto& [at, change] : points) {
      // on the way to `at`: fixed + sum_free − free μ
      if (fixed + sum_free - free * at <= total) {
        if (free > 0) best = (fixed + sum_free - total) / free;
        else best = at;
        return best;
      }
      if (change > 0) {
        free += 1, sum_free += at + high, fixed -= high;
      } else {
        free -= 1, sum_free -= at + low, fixed += low;
      }
    }
    return best;
  }
};

/// {x ≥ 0, Σ x = total}.
inline CappedSimplex simplex(double total = 1) { return {total, 0, std::numeric_limits<double>::infinity()}; }

/// The projection of x, differentiable on any value type: its value is exact, its derivative that of the face.
template <class Set, Tree X>
auto project(const Set& set, const X& x) {
  using W = leaf_t<X>;
  if constexpr (detail::unbounded<Set>) {
    return x;
  } else if constexpr (requires { set.project_values(x); }) {
    return set.project_values(x);  // a set with curvature
  } else {
    using P = plain_t<W>;
    const auto at = map_tree<P>(x, [](const W& v) { return plain(v); });
    const auto p = set.project(at);
    const X moved = map_tree<W>(
        x, [](const W& v, const P& v0) { return W(sub(v, v0)); }, at);
    return map_tree<W>(
        p.face.along(moved), [](const W& d, const P& v) { return W(add(d, v)); }, p.point);
  }
}

/// {‖x‖ ≤ radius}, the norm over all leaves.
struct Ball {
  double radius = 1;

  template <Tree V>
  Projected<V> project(const V& x) const {
    Projected<V> p{clone(x), {}};
    const double size = norm(x);
    if (size > radius) scale_(p.point, radius / size);
    p.face.margin = std::abs(size - radius);
    return p;
  }
  /// x min(1, radius / ‖x‖), differentiable.
  template <Tree X>
  X project_values(const X& x) const {
    using W = leaf_t<X>;
    const W squares = dot(x, x);
    if (double(plain(squares).item()) <= radius * radius) return x;
    const W factor = scale(div(plain_t<W>::scalar(1), sqrt(squares)), radius);
    return map_tree<W>(x, [&](const W& v) { return W(mul(v, factor)); });
  }
};

}  // namespace tenzo::bilevel
