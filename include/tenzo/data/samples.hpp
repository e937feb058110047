// Labelled samples in memory, and parts of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/core/noise.hpp"
#include "tenzo/core/permutation.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// Numbers of samples in a set.
using Rows = std::vector<std::int64_t>;

/// Samples with a class each.
template <Real T>
struct Samples {
  Tensor<T> x;                  // (n, …): vectors, or images (n, channels, h, w)
  Tensor<std::int64_t> labels;  // (n), in [0, classes)
  std::int64_t classes = 0;

  std::int64_t size() const { return labels.size(); }

  /// Copies of these samples, in this order. Throws ValueError for a number outside [0, size()).
  Samples at(std::span<const std::int64_t> rows) const {
    Samples out{Tensor<T>(x.shape().with(0, std::int64_t(rows.size()))),
                Tensor<std::int64_t>(Shape{std::int64_t(rows.size())}), classes};
    const std::int64_t width = x.shape().inner(0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      require(rows[i] >= 0 && rows[i] < size(), "samples: number ", rows[i], " of ", size());
      std::copy_n(x.data() + rows[i] * width, width, out.x.data() + std::int64_t(i) * width);
      out.labels(std::int64_t(i)) = labels(rows[i]);
    }
    return out;
  }
};

/// Both sets, one behind the other.
template <Real T>
Samples<T> joined(const Samples<T>& a, const Samples<T>& b) {
  expect(a.x.shape().with(0, 0) == b.x.shape().with(0, 0), "samples: ", a.x.shape(), " and ", b.x.shape());
  Samples<T> out{Tensor<T>(a.x.shape().with(0, a.size() + b.size())), Tensor<std::int64_t>(Shape{a.size() + b.size()}),
                 std::max(a.classes, b.classes)};
  std::copy_n(b.x.data(), b.x.size(), std::copy_n(a.x.data(), a.x.size(), out.x.data()));
  std::copy_n(b.labels.data(), b.size(), std::copy_n(a.labels.data(), a.size(), out.labels.data()));
  return out;
}

/// The numbers in [0, n) that are not among `rows`, in order.
inline Rows complement(std::span<const std::int64_t> rows, std::int64_t n) {
  std::vector<bool> taken(std::size_t(n), false);
  for (const std::int64_t r : rows) {
    require(r >= 0 && r < n, "samples: number ", r, " of ", n);
    taken[std::size_t(r)] = true;
  }
  Rows out;
  for (std::int64_t i = 0; i < n; ++i)
    if (!taken[std::size_t(i)]) out.push_back(i);
  return out;
}

/// The order of the data in an epoch, a function of the seed and the epoch.
inline Rows epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  return permutation(n, NoiseKey{.seed = seed, .step = std::uint32_t(epoch)}.of(Purpose::data_order));
}

/// A random split: `first` samples, and the others. Both in a random order that depends on the seed alone.
template <Real T>
std::pair<Samples<T>, Samples<T>> split(const Samples<T>& s, std::int64_t first, std::uint64_t seed) {
  require(first >= 0 && first <= s.size(), "samples: ", first, " of ", s.size());
  const Rows order = permutation(s.size(), NoiseKey{.seed = seed, .step = 0, .query = 1}.of(Purpose::data_order));
  const std::span<const std::int64_t> all(order);
  return {s.at(all.first(std::size_t(first))), s.at(all.subspan(std::size_t(first)))};
}

}  // namespace tenzo
