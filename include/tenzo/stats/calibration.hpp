// Whether a classifier is as sure as it is right.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// Expected calibration error: samples in bins of equal width by the softmax of their largest score, the mean of
/// |accuracy − confidence| over bins, weighed by their samples. In [0, 1]; NaN of none.
///   scores   (n, classes); labels (n)
///   Source   Guo et al. 2017, "On calibration of modern neural networks", equation 3.
template <Real T>
double calibration_error(const Tensor<T>& scores, const Tensor<std::int64_t>& labels, std::int64_t bins = 15) {
  expect(scores.rank() == 2 && scores.shape()[0] == labels.size() && bins > 0, "calibration: scores ", scores.shape(),
         ", ", labels.size(), " labels, ", bins, " bins");
  struct Bin {
    double right = 0, confidence = 0;
  };
  std::vector<Bin> all{static_cast<std::size_t>(bins)};
  const std::int64_t n = labels.size(), k = scores.shape()[1];
  for (std::int64_t i = 0; i < n; ++i) {
    const T* row = scores.data() + i * k;
    const T* top = std::max_element(row, row + k);
    double sum = 0;
    for (std::int64_t c = 0; c < k; ++c) sum += std::exp(double(row[c]) - double(*top));
    const double confidence = 1 / sum;
    if (!std::isfinite(confidence)) return NAN;  // of a network that has diverged
    Bin& b = all[std::size_t(std::min(bins - 1, std::int64_t(confidence * double(bins))))];
    b.right += top - row == labels(i);
    b.confidence += confidence;
  }
  double error = 0;
  for (const Bin& b : all) error += std::abs(b.right - b.confidence);
  return error / double(n);
}

}  // namespace tenzo
