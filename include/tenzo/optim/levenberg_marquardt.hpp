// Levenberg-Marquardt: least squares of a few hundred unknowns.
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/tree/ravel.hpp"

namespace tenzo {

/// Residuals at a point, and their derivatives.
struct Residuals {
  Eigen::VectorXd value;     // (m)
  Eigen::MatrixXd jacobian;  // (m, n)
};

/// The residuals of f, a function of a tree, and their derivatives in forward mode: n passes.
///   f  generic over the tree's values; returns m residuals of any shape
template <class F, Tree T>
Residuals residuals_of(F&& f, const T& x) {
  using V = leaf_t<T>;
  const std::int64_t n = count_elements(x);
  Residuals r;
  for (std::int64_t i = 0; i < n; ++i) {
    V unit = V::zeros(Shape{n});
    unit(i) = 1;
    const auto [value, column] = jvp(f, x, unravel(unit, x));
    if (i == 0) {
      r.value.resize(value.size());
      r.jacobian.setZero(value.size(), n);
      std::copy(value.values().begin(), value.values().end(), r.value.data());
    }
    if (column.defined()) std::copy(column.values().begin(), column.values().end(), r.jacobian.col(i).data());
  }
  return r;
}

/// Minimises |r(x)|² / 2 by steps (JᵀJ + λ I) d = −Jᵀ r: a step that lowers it is taken and λ becomes smaller, another
/// one is not and λ becomes larger.
///   Cost    a step evaluates residuals and derivatives once and takes m n² + n³ / 3 operations.
///   Source  Levenberg 1944; Marquardt 1963
struct LevenbergMarquardt {
  double damping = 1e-3, lower = 0.3, raise = 4;  // λ at first, and its factors

  struct State {
    std::int64_t step = 0, taken = 0;
    double damping = NAN;  // of the next step; NaN: the option's
    double value = NAN;    // |r|² / 2 at the point
    bool stuck = false;    // no step lowers it as far as rounding shows, or there is nothing finite to go on with
    Residuals at{};        // at the point
  };

  /// f(x) → Residuals. Throws ShapeError where J does not fit.
  template <class F>
  void step(State& s, Eigen::VectorXd& x, F&& f) const {
    require(damping >= 0 && lower > 0 && lower <= 1 && raise > 1, "levenberg-marquardt: damping ", damping,
            ", factors ", lower, " and ", raise);
    if (std::isnan(s.damping)) s.damping = damping;
    if (s.at.value.size() == 0) {
      s.at = f(std::as_const(x));
      s.value = s.at.value.squaredNorm() / 2;
    }
    expect(s.at.jacobian.rows() == s.at.value.size() && s.at.jacobian.cols() == x.size(),
           "levenberg-marquardt: ", s.at.value.size(), " residuals of ", x.size(), " unknowns, derivatives (",
           s.at.jacobian.rows(), ", ", s.at.jacobian.cols(), ')');
    ++s.step;
    const Eigen::VectorXd slope = s.at.jacobian.transpose() * s.at.value;
    Eigen::MatrixXd normal = s.at.jacobian.transpose() * s.at.jacobian;
    normal.diagonal().array() += s.damping;
    const Eigen::VectorXd d = normal.ldlt().solve(-slope), there = x + d;
    Residuals next = f(there);
    const double value = next.value.squaredNorm() / 2;
    if (value < s.value) {
      x = there;
      s.value = value, s.at = std::move(next);
      s.damping *= lower, ++s.taken;
    } else {
      s.damping *= raise;
      if (!std::isfinite(s.value) || !(d.norm() > 1e-16 * x.norm())) s.stuck = true;
    }
  }
};

}  // namespace tenzo
