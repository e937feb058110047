// Label mapping: which outputs of a network stand for the classes of another task.
//   Source  Jin et al. 2025 (VPNs), section 3; FLM: Elsayed et al. 2019; ILM: Chen et al. 2023.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/data/samples.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::prompt {

/// π: for each target class the number of the source class whose score is taken, each once. Other scores are dropped.
///   A type of its own: a setting of a model, where a plain list would be a part of its tree.
struct Mapping : std::vector<std::int64_t> {
  using std::vector<std::int64_t>::vector;
  explicit Mapping(std::vector<std::int64_t> classes) : std::vector<std::int64_t>(std::move(classes)) {}
};

/// K[s, t], how many samples of target class t the network takes for source class s: (source, target).
///   guesses  the class of the largest score of each sample: (n), in [0, source)
///   Throws   ValueError where there are more target classes than source classes, or a number is out of range.
inline Tensor<std::int64_t> mapping_counts(const Tensor<std::int64_t>& guesses, const Tensor<std::int64_t>& labels,
                                           std::int64_t source, std::int64_t target) {
  require(target > 0 && target <= source, "label mapping: ", target, " classes on ", source,
          " scores; want at most as many");
  expect(guesses.size() == labels.size(), "label mapping: ", guesses.size(), " guesses, ", labels.size(), " labels");
  auto k = Tensor<std::int64_t>::zeros({source, target});
  for (std::int64_t i = 0; i < labels.size(); ++i) {
    require(0 <= guesses(i) && guesses(i) < source && 0 <= labels(i) && labels(i) < target, "label mapping: guess ",
            guesses(i), " of ", source, ", label ", labels(i), " of ", target);
    ++k(guesses(i) * target + labels(i));
  }
  return k;
}

/// FLM: the global largest entry (s, t) of K gives π(t) = s; row and column go; until all columns are gone. Of equal
/// entries the first row by row.
inline Mapping frequent_mapping(const Tensor<std::int64_t>& k) {
  expect(k.rank() == 2 && k.shape()[1] <= k.shape()[0], "label mapping: counts ", k.shape(),
         "; want (source, target), at most as many targets");
  const std::int64_t source = k.shape()[0], target = k.shape()[1];
  Mapping mapping(std::size_t(target), -1);
  std::vector<bool> taken(std::size_t(source), false);
  for (std::int64_t round = 0; round < target; ++round) {
    std::int64_t row = -1, col = -1;
    for (std::int64_t s = 0; s < source; ++s)
      for (std::int64_t t = 0; t < target; ++t)
        if (!taken[std::size_t(s)] && mapping[std::size_t(t)] < 0 &&
            (row < 0 || k(s * target + t) > k(row * target + col)))
          row = s, col = t;
    mapping[std::size_t(col)] = row;
    taken[std::size_t(row)] = true;
  }
  return mapping;
}

/// RLM: different source classes at random.
inline Mapping random_mapping(std::int64_t source, std::int64_t target, std::uint64_t seed) {
  require(target > 0 && target <= source, "label mapping: ", target, " classes on ", source,
          " scores; want at most as many");
  Mapping m(permutation(source, NoiseKey{.seed = seed, .step = 0, .query = 6}.of(Purpose::data_order)));
  m.resize(std::size_t(target));
  return m;
}

/// K of a network with all of its scores on labelled samples.
template <class M, Real T>
Tensor<std::int64_t> mapping_counts(const M& network, const Samples<T>& s) {
  const Tensor<T> z = scores(network, s.x);
  return mapping_counts(predictions(z), s.labels, z.shape()[1], s.classes);
}

/// Throws ValueError unless π names different classes below `source`.
inline void check_mapping(const Mapping& mapping, std::int64_t source) {
  std::vector<bool> taken(std::size_t(source), false);
  for (const std::int64_t s : mapping) {
    require(0 <= s && s < source, "label mapping: source class ", s, " of ", source);
    require(!taken[std::size_t(s)], "label mapping: source class ", s, " stands for two classes");
    taken[std::size_t(s)] = true;
  }
}

}  // namespace tenzo::prompt
