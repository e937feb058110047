// Pixels of eight bits as numbers in [0, 1].
#pragma once

#include <cstddef>
#include <span>

namespace tenzo {

/// to[i] = bytes[i] / 255.
inline void write_pixels(std::span<const std::byte> bytes, float* to) {
  for (std::size_t i = 0; i < bytes.size(); ++i) to[i] = float(std::to_integer<int>(bytes[i])) / 255.f;
}

}  // namespace tenzo
