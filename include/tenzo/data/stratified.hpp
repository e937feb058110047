// Splits of samples in which every class has its share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "tenzo/data/samples.hpp"

namespace tenzo {

/// How many of `count` samples each class gives, in proportion to its size: shares rounded down, and one more for those
/// that lost most by it, the lower class first among equals.
inline std::vector<std::int64_t> class_shares(const std::vector<std::int64_t>& sizes, std::int64_t count) {
  const std::int64_t n = std::accumulate(sizes.begin(), sizes.end(), std::int64_t(0));
  require(count >= 0 && count <= n && n < std::int64_t(1) << 31, "stratified: ", count, " of ", n, " samples");
  std::vector<std::int64_t> shares, by_rest;
  for (const std::int64_t size : sizes) {
    by_rest.push_back(std::int64_t(shares.size()));
    shares.push_back(n == 0 ? 0 : size * count / n);
  }
  const auto rest = [&](std::int64_t c) { return n == 0 ? 0 : sizes[std::size_t(c)] * count % n; };
  std::stable_sort(by_rest.begin(), by_rest.end(), [&](auto a, auto b) { return rest(a) > rest(b); });
  std::int64_t missing = count - std::accumulate(shares.begin(), shares.end(), std::int64_t(0));
  for (std::size_t i = 0; missing > 0; ++i, --missing) ++shares[std::size_t(by_rest[i])];
  return shares;
}

/// A random split of the numbers of labelled samples: those of the second part are `second` in all, of every class its
/// share; the first part has the others. Both in a random order that depends on the seed and the number of samples.
inline std::pair<Rows, Rows> stratified_rows(const Tensor<std::int64_t>& labels, std::int64_t classes,
                                             std::int64_t second, std::uint64_t seed) {
  std::vector<std::int64_t> sizes(std::size_t(classes), 0);
  for (const std::int64_t label : labels.values()) {
    require(label >= 0 && label < classes, "stratified: label ", label, " of ", classes, " classes");
    ++sizes[std::size_t(label)];
  }
  std::vector<std::int64_t> left = class_shares(sizes, second);
  std::pair<Rows, Rows> out;
  for (const std::int64_t row :
       permutation(labels.size(), NoiseKey{.seed = seed, .step = 0, .query = 2}.of(Purpose::data_order))) {
    std::int64_t& of_class = left[std::size_t(labels(row))];
    (of_class > 0 ? out.second : out.first).push_back(row);
    of_class -= of_class > 0;
  }
  return out;
}

/// The samples of such a split.
template <Real T>
std::pair<Samples<T>, Samples<T>> stratified_split(const Samples<T>& s, std::int64_t second, std::uint64_t seed) {
  const auto [a, b] = stratified_rows(s.labels, s.classes, second, seed);
  return {s.at(a), s.at(b)};
}

}  // namespace tenzo
