// Separable filters of images, for metrics.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/ops/arithmetic.hpp"

namespace tenzo::mri {

/// exp(−i² / 2 s²) for |i| ≤ radius, with sum one.
inline std::vector<double> gaussian_weights(int radius, double deviation) {
  std::vector<double> w;
  double total = 0;
  for (int i = -radius; i <= radius; ++i) total += w.emplace_back(std::exp(-0.5 * i * i / (deviation * deviation)));
  for (double& v : w) v /= total;
  return w;
}

namespace detail {

/// Position i of an axis of n that goes on mirrored, edges twice: … 1 0 | 0 1 … n−1 | n−1 …
inline std::int64_t mirrored(std::int64_t i, std::int64_t n) {
  const std::int64_t m = (i % (2 * n) + 2 * n) % (2 * n);
  return m < n ? m : 2 * n - 1 - m;
}

/// An odd number of weights along an axis of an image (H, W), which goes on mirrored.
inline Tensor<double> filtered_along(const Tensor<double>& x, int axis, const std::vector<double>& weights) {
  const std::int64_t h = x.dim(0), w = x.dim(1), radius = std::int64_t(weights.size()) / 2;
  Tensor<double> y = Tensor<double>::zeros(x.shape());
  for (std::int64_t i = 0; i < h; ++i)
    for (std::int64_t j = 0; j < w; ++j)
      for (std::int64_t k = -radius; k <= radius; ++k)
        y(i, j) += weights[std::size_t(k + radius)] * (axis == 0 ? x(mirrored(i + k, h), j) : x(i, mirrored(j + k, w)));
  return y;
}

}  // namespace detail

/// The same weights along both axes of an image (H, W), only where all of them meet the image: (H − n + 1, W − n + 1).
inline Tensor<double> filtered_inside(const Tensor<double>& x, const std::vector<double>& weights) {
  const auto n = std::int64_t(weights.size());
  const std::int64_t h = x.dim(0), w = x.dim(1) - n + 1;
  Tensor<double> rows = Tensor<double>::zeros({h, w}), y = Tensor<double>::zeros({h - n + 1, w});
  for (std::int64_t i = 0; i < h; ++i)
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t j = 0; j < w; ++j) rows(i, j) += weights[std::size_t(k)] * x(i, j + k);
  for (std::int64_t i = 0; i < h - n + 1; ++i)
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t j = 0; j < w; ++j) y(i, j) += weights[std::size_t(k)] * rows(i + k, j);
  return y;
}

/// The Laplacian of an image (H, W) under a Gaussian, from its second derivatives along both axes, cut at four
/// deviations.
inline Tensor<double> laplacian_of_gaussian(const Tensor<double>& x, double sigma) {
  const int radius = int(4 * sigma + 0.5);
  const std::vector<double> smooth = gaussian_weights(radius, sigma);
  std::vector<double> second = smooth;
  for (int i = -radius; i <= radius; ++i)
    second[std::size_t(i + radius)] *= (i * i / (sigma * sigma) - 1) / (sigma * sigma);
  const auto along = [&](const std::vector<double>& by_rows, const std::vector<double>& by_columns) {
    return detail::filtered_along(detail::filtered_along(x, 0, by_rows), 1, by_columns);
  };
  return add(along(second, smooth), along(smooth, second));
}

}  // namespace tenzo::mri
