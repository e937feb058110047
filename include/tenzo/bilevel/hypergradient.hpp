// What all ways to a hypergradient return.
#pragma once

#include <limits>
#include <string>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/solve/linear.hpp"

namespace tenzo::bilevel {

/// What is known about the quality of a hypergradient.
struct Report {
  double lower_gradient = std::numeric_limits<double>::quiet_NaN();  // ‖∇_y g‖ along the free directions
  /// An estimate of ‖y − y*‖ / ‖y‖ where g is strongly convex: ‖∇_y g‖ / (μ ‖y‖), μ the smallest Ritz value, which the
  /// smallest eigenvalue may be below. NaN where the solver gives no Ritz value, as with a preconditioner.
  double lower_error = std::numeric_limits<double>::quiet_NaN();
  LinearReport linear;
  OracleCounts counts;  // of this hypergradient
  std::string warning;  // what makes it doubtful; empty where nothing does
};

/// dF/dx of F(x) = f(x, y*(x)), and what the next one can begin from.
template <Tree X, Tree Y>
struct Hypergradient {
  X gradient;
  X direct;          // its part ∇_x f
  double value = 0;  // f(x, y)
  Y solution;        // y
  Y adjoint;         // v; of an unrolled run ∂F/∂y₀
  Report report;
};

namespace detail {

inline void warn(Report& r, const std::string& what) { r.warning += (r.warning.empty() ? "" : "; ") + what; }

}  // namespace detail

}  // namespace tenzo::bilevel
