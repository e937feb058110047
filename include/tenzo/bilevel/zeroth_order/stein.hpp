// Products with second derivatives from values alone: Gaussian smoothing in both blocks of variables.
#pragma once

#include <cstdint>

#include "tenzo/tree/algebra.hpp"
#include "tenzo/zo/dense.hpp"

namespace tenzo::bilevel {

/// By Stein's identity, for g smoothed with normal a and b:
///   H u ≈ mean of  δ/(2 η²) (b ⟨b, u⟩ − u),  δ = g(x, y + η b) + g(x, y − η b) − 2 g(x, y)
///   M u ≈ mean of  δ/(2 μ η) a ⟨b, u⟩,       δ = g(x + μ a, y + η b) + g(x − μ a, y − η b) − 2 g(x, y)
///   with H = ∇²_yy g and M = ∇²_xy g; the mean is over `queries` draws of (a, b).
///   eps_upper, eps_lower   μ and η
///   Mean    H u and M u of the smoothed g, without error for quadratics; O(μ² + η²) by fourth derivatives.
///   Spread  of one draw about (dim y) ‖u‖ ‖H‖: many queries, or short steps.
///   Cost    two values a query, and one. No matrix is formed.
///   Source  Stein's identity; Aghasi, Ghadimi 2024 (arXiv 2404.00158) with two blocks.
struct SteinProducts {
  double eps_upper = 1e-3, eps_lower = 1e-3;
  int queries = 10;

  /// H u of g(y), a number; the same seed and step draw the same.
  template <Tree Y, class Lower>
  Y hessian(Lower&& g, const Y& y, const Y& u, std::uint64_t seed, std::int64_t step) const {
    check();
    Y out = zeros_like(y);
    const double middle = g(y);
    for (int q = 0; q < queries; ++q) {
      const Y b = normal(y, seed, step, q, 0);
      const double turn =
          (g(moved(y, b, eps_lower)) + g(moved(y, b, -eps_lower)) - 2 * middle) / (2 * eps_lower * eps_lower * queries);
      axpy_(turn * inner(b, u), b, out);
      axpy_(-turn, u, out);
    }
    return out;
  }
  /// M u of g(x, y).
  template <Tree X, Tree Y, class Lower>
  X cross(Lower&& g, const X& x, const Y& y, const Y& u, std::uint64_t seed, std::int64_t step) const {
    check();
    X out = zeros_like(x);
    const double middle = g(x, y);
    for (int q = 0; q < queries; ++q) {
      const X a = normal(x, seed, step, q, 1);
      const Y b = normal(y, seed, step, q, 0);
      const double turn = g(moved(x, a, eps_upper), moved(y, b, eps_lower)) +
                          g(moved(x, a, -eps_upper), moved(y, b, -eps_lower)) - 2 * middle;
      axpy_(turn * inner(b, u) / (2 * eps_upper * eps_lower * queries), a, out);
    }
    return out;
  }

 private:
  void check() const {
    require(eps_upper > 0 && eps_lower > 0 && queries > 0, "stein products: radii of ", eps_upper, " and ", eps_lower,
            ", ", queries, " queries; want positive numbers");
  }
  template <Tree V>
  static V moved(const V& v, const V& along, double by) {
    V out = clone(v);
    axpy_(by, along, out);
    return out;
  }
  /// A normal tree like v, of a block of variables: 0 or 1.
  template <Tree V>
  static V normal(const V& v, std::uint64_t seed, std::int64_t step, int query, std::uint32_t block) {
    V out = zeros_like(v);
    zo::Direction d;
    d.seed = seed, d.step = std::uint32_t(step), d.query = 2 * std::uint32_t(query) + block;
    zo::add_steps_(out, {{d, 1}});
    return out;
  }
};

}  // namespace tenzo::bilevel
