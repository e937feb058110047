// Eigenvalues of symmetric tridiagonal matrices, which Lanczos' recurrence leaves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tenzo {

/// The smallest eigenvalue of the matrix with this diagonal and the squares of what stands beside it, by bisection on
/// Sturm's count; NaN for an empty matrix.
///   beside_squared   one shorter than the diagonal
inline double smallest_eigenvalue(const std::vector<double>& diagonal, const std::vector<double>& beside_squared) {
  if (diagonal.empty()) return std::numeric_limits<double>::quiet_NaN();
  double low = diagonal[0], high = diagonal[0];
  for (std::size_t i = 0; i < diagonal.size(); ++i) {
    const double left = i > 0 ? std::sqrt(beside_squared[i - 1]) : 0;
    const double right = i + 1 < diagonal.size() ? std::sqrt(beside_squared[i]) : 0;
    low = std::min(low, diagonal[i] - left - right);  // Gershgorin's circles
    high = std::min(high, diagonal[i]);               // Rayleigh quotient of a unit vector
  }
  const auto any_below = [&](double t) {
    double d = 1;
    for (std::size_t i = 0; i < diagonal.size(); ++i) {
      d = diagonal[i] - t - (i > 0 ? beside_squared[i - 1] / d : 0);
      if (d < 0) return true;
      if (d == 0) d = std::numeric_limits<double>::min();
    }
    return false;
  };
  for (int i = 0; i < 120 && high - low > 1e-15 * std::max(std::abs(low), std::abs(high)); ++i) {
    const double middle = low + (high - low) / 2;
    (any_below(middle) ? high : low) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace tenzo
