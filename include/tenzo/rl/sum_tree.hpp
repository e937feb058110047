// Sampling in proportion to weights that change.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::rl {

/// n weights in a binary tree of their sums. A sum is always that of its two halves as they are now: no error of
/// rounding builds up, and equal weights give equal bits, however they came about.
///   Cost  log2 n of each call but `total`.
class SumTree {
 public:
  /// All weights are zero.   Throws ValueError unless n >= 1.
  explicit SumTree(std::int64_t n) : n_(n) {
    require(n >= 1, "sum tree: ", n, " weights");
    leaves_ = std::bit_ceil(std::size_t(n));
    sum_.assign(2 * leaves_, 0.);
  }

  std::int64_t size() const { return n_; }
  double total() const { return sum_[1]; }
  double operator[](std::int64_t i) const { return sum_[leaves_ + std::size_t(i)]; }

  /// Throws ValueError for an index outside, and for a weight that is negative or not finite.
  void set(std::int64_t i, double weight) {
    require(i >= 0 && i < n_, "sum tree: index ", i, " of ", n_);
    require(weight >= 0 && std::isfinite(weight), "sum tree: a weight of ", weight);
    std::size_t at = leaves_ + std::size_t(i);
    sum_[at] = weight;
    for (at /= 2; at > 0; at /= 2) sum_[at] = sum_[2 * at] + sum_[2 * at + 1];
  }

  /// The index i with Σ_{j<i} w_j <= u < Σ_{j<=i} w_j, for u in [0, total): never one of weight zero.
  ///   Throws ValueError where all weights are zero.
  std::int64_t find(double u) const {
    require(total() > 0, "sum tree: all weights are zero");
    std::size_t at = 1;
    while (at < leaves_) {
      at *= 2;
      if (sum_[at + 1] > 0 && (u >= sum_[at] || sum_[at] == 0)) u -= sum_[at], ++at;
    }
    return std::int64_t(at - leaves_);
  }

 private:
  std::int64_t n_;
  std::size_t leaves_ = 1;
  std::vector<double> sum_;  // node i has the children 2 i and 2 i + 1
};

}  // namespace tenzo::rl
