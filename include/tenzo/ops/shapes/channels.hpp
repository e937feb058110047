// The shape of what is normalised by channels.
#pragma once

#include <cstdint>

namespace tenzo {

/// x (n, channels, size): size is the number of pixels, 1 for plain features.
struct Channels {
  std::int64_t n, channels, size;

  std::int64_t numel() const { return n * channels * size; }
  std::int64_t per_channel() const { return n * size; }
};

}  // namespace tenzo
