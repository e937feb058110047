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

/// The widest kernels: vectors of channels, or channels singly; the registers decide.
#if defined(TENZO_AVX512)
inline constexpr int block_vectors = 2, block_singles = 8;
#else
inline constexpr int block_vectors = 1, block_singles = 4;
#endif

/// How many of `outputs` channels are worth vectors: all while more than half of the last one would be filled. Does not
/// depend on the instruction set.
template <Real T>
std::int64_t channels_in_vectors(std::int64_t outputs) {
  constexpr std::int64_t lanes = Simd<T>::size;
  return std::min(outputs, (outputs + lanes / 2 - 1) / lanes * lanes);
}

/// The first `in_vectors` channels in vectors, the others singly.
template <Real T>
std::vector<ChannelBlock> channel_blocks(std::int64_t outputs, std::int64_t in_vectors) {
  constexpr std::int64_t lanes = Simd<T>::size;
  std::vector<ChannelBlock> blocks;
  for (std::int64_t o = 0, n; o < in_vectors; o += n) {
    n = std::min(in_vectors - o, block_vectors * lanes);
    blocks.push_back({.first = o, .count = n, .vectors = int((n + lanes - 1) / lanes)});
  }
  for (std::int64_t o = in_vectors, n; o < outputs; o += n) {
    for (n = block_singles; n > outputs - o;) n /= 2;
    blocks.push_back({.first = o, .count = n, .vectors = 0});
  }
  return blocks;
}

}  // namespace tenzo::cpu
