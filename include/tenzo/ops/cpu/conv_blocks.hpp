// How the output channels of a convolution are shared out among its kernels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/simd.hpp"

namespace tenzo::cpu {

/// Neighbouring output channels that one kernel makes: whole vectors of them, or, with vectors = 0, a few singly.
struct ChannelBlock {
  std::int64_t first = 0, count = 0;
  int vectors = 0;

  /// Channels in the packed weights.
  template <Real T>
  std::int64_t width() const {
    return vectors ? vectors * Simd<T>::size : count;
  }
};

/// Vectors of channels that the widest kernel makes; the registers decide.
#if defined(TENZO_AVX512)
inline constexpr int block_vectors = 2;
#else
inline constexpr int block_vectors = 1;
#endif

/// Vectors while more than half of one would be filled, then fours, twos and ones. Which channels go in vectors does
/// not depend on the instruction set.
template <Real T>
std::vector<ChannelBlock> channel_blocks(std::int64_t outputs) {
  constexpr std::int64_t lanes = Simd<T>::size;
  const std::int64_t in_vectors = std::min(outputs, (outputs + lanes / 2 - 1) / lanes * lanes);
  std::vector<ChannelBlock> blocks;
  for (std::int64_t o = 0, n; o < in_vectors; o += n) {
    n = std::min(in_vectors - o, block_vectors * lanes);
    blocks.push_back({.first = o, .count = n, .vectors = int((n + lanes - 1) / lanes)});
  }
  for (std::int64_t o = in_vectors, n; o < outputs; o += n) {
    n = outputs - o >= 4 ? 4 : outputs - o >= 2 ? 2 : 1;
    blocks.push_back({.first = o, .count = n, .vectors = 0});
  }
  return blocks;
}

}  // namespace tenzo::cpu
