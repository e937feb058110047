// Φ⁻¹, the inverse of the normal distribution, element by element.
#pragma once

#include <cmath>
#include <limits>
#include <string_view>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/stats/normal.hpp"

namespace tenzo {

namespace fn {

/// y = Φ⁻¹(p);  dy = √(2π) e^(y²/2) dp. ±∞ at 0 and 1, NaN outside.
struct NormalQuantile {
  static constexpr std::string_view name = "normal_quantile";
  static constexpr bool reads_x = false, reads_y = true;
  static constexpr double root_two_pi = 2.50662827463100050242;

  template <class T>
  T operator()(T p) const {
    return p >= T(0) && p <= T(1) ? T(normal_quantile(double(p))) : std::numeric_limits<T>::quiet_NaN();
  }
  template <class T>
  T slope(T, T y) const {
    return T(root_two_pi) * std::exp(T(0.5) * y * y);
  }
  template <class V>
  V derivative(const V&, const V& y) const {
    return scale(tenzo::exp(scale(tenzo::square(y), 0.5)), root_two_pi);
  }
};

}  // namespace fn

template <Value V>
V normal_quantile(const V& p) {
  return detail::unary(fn::NormalQuantile{}, p);
}

}  // namespace tenzo
