// Batches of token sequences without padding.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenzo/core/tensor.hpp"

namespace tenzo {

/// Token sequences laid one after another: sequence s is [offsets[s], offsets[s + 1]). Nothing is padded: what a model
/// computes for one sequence does not depend on the others.
struct PackedTokens {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> positions;   // of each token in its sequence, from 0
  std::vector<std::int64_t> offsets{0};  // one more than there are sequences

  void append(std::span<const int> sequence, std::int64_t first_position = 0) {
    for (std::size_t i = 0; i < sequence.size(); ++i) {
      ids.push_back(sequence[i]);
      positions.push_back(first_position + std::int64_t(i));
    }
    offsets.push_back(std::int64_t(ids.size()));
  }
  std::int64_t sequences() const { return std::int64_t(offsets.size()) - 1; }
  std::int64_t tokens() const { return std::int64_t(ids.size()); }
  std::int64_t length(std::int64_t s) const { return offsets[s + 1] - offsets[s]; }

  Tensor<std::int64_t> id_tensor() const { return Tensor<std::int64_t>::from(Shape{tokens()}, ids); }
};

}  // namespace tenzo
