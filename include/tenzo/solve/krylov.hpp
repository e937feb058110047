// Krylov methods for operators that are not symmetric: fixed-point maps, games.
//   Source  Saad, Schultz 1986 (GMRES); van der Vorst 1992 (BiCGStab).
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tenzo/solve/linear.hpp"

namespace tenzo {

/// GMRES without restart: of all vectors in the Krylov space the one of least residual.
///   Cost    a product and i inner products in iteration i.   Memory   a tree an iteration.
struct Gmres {
  LinearOptions options = {};

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}) const {
    LinearSolution<V> s;
    LinearReport& report = s.report;
    const detail::Damped<std::remove_reference_t<A>> product{a, options.damping, report};
    const double size = norm(b), enough = std::max(options.rtol * size, options.atol);
    V r;
    std::tie(s.x, r) = detail::residual_at(product, b, start);
    double left = norm(r);
    std::vector<V> basis;
    std::vector<std::vector<double>> columns;          // of R, the Hessenberg matrix after the rotations
    std::vector<std::pair<double, double>> rotations;  // cosine, sine
    std::vector<double> g{left};                       // the rotated right side
    scale_(r, left > 0 ? 1 / left : 0);
    basis.push_back(std::move(r));
    for (std::int64_t i = 0; i < options.iterations && left > enough; ++i) {
      V w = product(basis.back());
      std::vector<double> h;
      const double before = norm(w);
      for (const V& v : basis) {  // modified Gram-Schmidt
        h.push_back(inner(v, w));
        axpy_(-h.back(), v, w);
      }
      const double below = norm(w);
      for (std::size_t j = 0; j < rotations.size(); ++j) {
        const auto [c, d] = rotations[j];
        const double upper = c * h[j] + d * h[j + 1];
        h[j + 1] = -d * h[j] + c * h[j + 1];
        h[j] = upper;
      }
      const double length = std::hypot(h.back(), below);
      if (length <= 1e-14 * before) break;  // A is singular on the space
      rotations.emplace_back(h.back() / length, below / length);
      h.back() = length;
      columns.push_back(std::move(h));
      g.push_back(-rotations.back().second * g.back());
      g[g.size() - 2] *= rotations.back().first;
      left = std::abs(g.back());
      if (below <= 1e-14 * before) break;  // the space is invariant: the solution is in it
      scale_(w, 1 / below);
      basis.push_back(std::move(w));
    }
    std::vector<double> y(columns.size());
    for (std::size_t i = y.size(); i-- > 0;) {
      y[i] = g[i];
      for (std::size_t j = i + 1; j < y.size(); ++j) y[i] -= columns[j][i] * y[j];
      y[i] /= columns[i][i];
    }
    for (std::size_t i = 0; i < y.size(); ++i) axpy_(y[i], basis[i], s.x);
    report.residual = detail::relative(left, size);
    report.converged = left <= enough;
    return s;
  }
};

/// BiCGStab: short recurrences, a residual that need not fall steadily.
///   Cost    two products an iteration, counted as two.   Memory   seven trees.
struct BiCgStab {
  LinearOptions options = {};

  template <Tree V, LinearOperator<V> A>
  LinearSolution<V> operator()(A&& a, const V& b, const V& start = {}) const {
    LinearSolution<V> s;
    LinearReport& report = s.report;
    const detail::Damped<std::remove_reference_t<A>> product{a, options.damping, report};
    const double size = norm(b), enough = std::max(options.rtol * size, options.atol);
    V r;
    std::tie(s.x, r) = detail::residual_at(product, b, start);
    const V shadow = clone(r);
    V p = clone(r);
    double rho = inner(shadow, r), left = norm(r);
    for (std::int64_t i = 0; i < options.iterations && left > enough; ++i) {
      const V ap = product(p);
      const double along = inner(shadow, ap);
      if (along == 0 || rho == 0) break;  // breakdown; begin again from here
      const double alpha = rho / along;
      axpy_(alpha, p, s.x);
      axpy_(-alpha, ap, r);
      left = norm(r);
      if (left <= enough) break;
      const V ar = product(r);
      const double omega = inner(ar, r) / inner(ar, ar);
      axpy_(omega, r, s.x);
      V next = clone(r);
      axpy_(-omega, ar, next);
      r = std::move(next);
      left = norm(r);
      const double rho_now = inner(shadow, r), beta = rho_now / rho * (alpha / omega);
      rho = rho_now;
      axpy_(-omega, ap, p);
      scale_(p, beta);
      axpy_(1, r, p);
    }
    report.residual = detail::relative(left, size);
    report.converged = left <= enough;
    return s;
  }
};

}  // namespace tenzo
