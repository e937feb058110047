// Does a function differentiate rightly in every mode? Compared with central differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <string>

#include "tenzo/autodiff/hessian.hpp"
#include "tenzo/core/philox.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo {

struct GradientCheckOptions {
  double step = 1e-6;         // of the central differences, in units of x
  double tolerance = 1e-6;    // of the error relative to the largest number compared
  std::int64_t probes = 128;  // elements of each leaf whose derivative is compared one by one
  bool second_order = true;   // also nest the modes
  std::uint64_t seed = 1;     // of the cotangent and the direction
};

/// The largest error that was found, and in which mode and where.
struct GradientReport {
  double error = 0;  // relative
  double tolerance = 0;
  std::string where;

  bool passed() const { return error <= tolerance; }  // false for NaN
  friend std::ostream& operator<<(std::ostream& os, const GradientReport& r) {
    return os << (r.passed() ? "passed" : "failed") << ": error " << r.error << " in " << r.where << ", tolerance "
              << r.tolerance;
  }
};

namespace detail {

/// Numbers in [-1, 1) by a counter, shaped like x.
template <class T>
T arbitrary_like(const T& x, std::uint64_t seed) {
  using V = leaf_t<T>;
  std::uint32_t leaf = 0;
  return map_tree<V>(x, [&](const V& v) {
    V r(v.shape());
    ++leaf;
    for (std::int64_t i = 0; i < r.size(); ++i)
      r(i) = scalar_t<V>(double(philox4x32({std::uint32_t(i), leaf, 0, 0}, seed)[0]) * 0x1p-31 - 1);
    return r;
  });
}

/// Compares trees and numbers, and keeps the worst.
struct WorstError {
  GradientReport& report;

  void number(double got, double want, double scale, const std::string& where) {
    const double error = std::abs(got - want) / std::max(scale, 1e-300);
    if (error > report.error || !(error == error)) {
      report.error = error;
      report.where = where;
    }
  }
  /// `floor`: the scale where everything wanted is smaller; rounding in the differences is in proportion to it.
  template <class T>
  void tree(const T& got, const T& want, double floor, const std::string& mode) {
    double scale = floor;
    for_each_leaf(
        [&](const Path&, const auto& w) {
          for (const double v : w.values()) scale = std::max(scale, std::abs(v));
        },
        want);
    for_each_leaf(
        [&](const Path& at, const auto& g, const auto& w) {
          for (std::int64_t i = 0; i < w.size(); ++i)
            number(double(g(i)), double(w(i)), scale, cat(mode, ", ", at.str(), '[', i, ']'));
        },
        got, want);
  }
};

template <class T>
double largest(const T& tree) {
  double m = 0;
  for_each_leaf(
      [&](const Path&, const auto& v) {
        for (const double x : v.values()) m = std::max(m, std::abs(x));
      },
      tree);
  return m;
}

template <class T>
T moved(const T& x, const T& d, double s) {
  T y = clone(x);
  axpy_(s, d, y);
  return y;
}

}  // namespace detail

/// Compares all derivatives of f at x, a tree of double tensors; f is generic over the value type of its tree.
///   Reverse mode with central differences element by element; forward mode with reverse mode by
///   ⟨J u, c⟩ = ⟨u, Jᵀ c⟩; and Hessian products of ⟨f, c⟩ by forward over reverse, reverse over reverse and reverse
///   over forward with central differences of the gradient. The function must be smooth within `step` of x: a kink
///   there is reported as an error.
template <class F, Tree T>
GradientReport check_gradients(F&& f, const T& x, const GradientCheckOptions& o = {}) {
  using V = leaf_t<T>;
  static_assert(std::is_same_v<scalar_t<V>, double>, "check_gradients: central differences need double");
  GradientReport report{0, o.tolerance, "nothing"};
  detail::WorstError worst{report};
  const double h = o.step;

  const V y = f(x);
  const V c = detail::arbitrary_like(y, o.seed);
  const T u = detail::arbitrary_like(x, o.seed + 1);
  const auto loss = [&](const auto& at) { return sum(mul(f(at), c)); };
  const auto g = vjp(f, x, c);
  worst.tree(g.value, y, 0, "value of vjp");
  const double size = detail::largest(g.grad), rounding = 1e-3 * std::max(size, std::abs(loss(x).item()));

  T probe = clone(x);
  for_each_leaf(
      [&](const Path& at, V& v, const V& gv) {
        const std::int64_t stride = std::max<std::int64_t>(1, v.size() / std::max<std::int64_t>(1, o.probes));
        for (std::int64_t i = 0; i < v.size(); i += stride) {
          const double x0 = v(i), up = x0 + h, down = x0 - h;
          v(i) = up;
          const double fu = loss(probe).item();
          v(i) = down;
          const double fd = loss(probe).item();
          v(i) = x0;
          worst.number(gv(i), (fu - fd) / (up - down), std::max(size, rounding), cat("vjp, ", at.str(), '[', i, ']'));
        }
      },
      probe, g.grad);

  const auto [jy, jv] = jvp(f, x, u);
  worst.tree(jy, y, 0, "value of jvp");
  const double forward = dot(jv, c).item(), reverse = dot(u, g.grad).item();
  worst.number(forward, reverse, std::max(rounding, norm(jv) * norm(c)), "jvp");

  if (!o.second_order) return report;
  T want = vjp(f, detail::moved(x, u, h), c).grad;
  axpy_(-1, vjp(f, detail::moved(x, u, -h), c).grad, want);
  scale_(want, 0.5 / h);
  const double floor = 1e-3 * size;
  worst.tree(grad_and_hvp(loss, x, u).hvp, want, floor, "jvp of vjp");
  const Hessian<T> hessian(loss, x);
  worst.tree(hessian(u), want, floor, "vjp of vjp");
  worst.tree(hessian(u), want, floor, "vjp of vjp, its record taken again");
  const auto slope = [&](const auto& q) {
    using W = leaf_t<std::remove_cvref_t<decltype(q)>>;
    return jvp(loss, q,
               map_tree<W>(
                   q, [](const W&, const V& d) { return lift<W>(d); }, u))
        .second;
  };
  worst.tree(grad(slope, x), want, floor, "vjp of jvp");
  return report;
}

}  // namespace tenzo
