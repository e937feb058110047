// Bounds of denoisers for inputs in [−1, 1].
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include <Eigen/SVD>

#include "scans.hpp"
#include "tenzo/models/residual_cnn.hpp"

namespace smug {

/// (sup ‖D(x)‖₂, Lipschitz constant). Infinite where none is known.
template <class D>
std::pair<double, double> bounds_of(const D&, std::int64_t) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  return {infinity, infinity};
}

/// An upper bound of ‖conv‖₂: the sum over its taps of their matrices' norms, as a shift has norm one.
inline double norm_bound(const F& weight) {  // (out, in, h, w)
  const std::int64_t out = weight.dim(0), in = weight.dim(1), taps = weight.dim(2) * weight.dim(3);
  double total = 0;
  for (std::int64_t t = 0; t < taps; ++t) {
    Eigen::MatrixXd m(out, in);
    for (std::int64_t o = 0; o < out; ++o)
      for (std::int64_t i = 0; i < in; ++i) m(o, i) = double(weight((o * in + i) * taps + t));
    total += Eigen::JacobiSVD<Eigen::MatrixXd>(m).singularValues()(0);
  }
  return total;
}

/// Layer by layer: a relu makes nothing larger, a bias b adds ‖b‖ times the root of the pixels.
inline std::pair<double, double> bounds_of(const tenzo::ResidualCnn<F>& d, std::int64_t width) {
  const double pixels = double(width * width), start = std::sqrt(2 * pixels);
  double size = start, steep = 1;
  for (const auto& layer : d.layers) {
    const double s = norm_bound(layer.weight);
    size = s * size + tenzo::norm(layer.bias) * std::sqrt(pixels);
    steep *= s;
  }
  return {start + size, 1 + steep};
}

}  // namespace smug
