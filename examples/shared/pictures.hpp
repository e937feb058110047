// Samples as pictures of a report.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/io/png.hpp"

namespace program_pictures {

/// Planes (channels, height, width) of values in [0, 1], others cut to it, as the bytes of a PNG.
inline std::string picture(const float* x, std::int64_t channels, std::int64_t height, std::int64_t width) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t p = 0; p < height * width; ++p)
    for (std::int64_t c = 0; c < channels; ++c)
      pixels.push_back(std::uint8_t(std::lround(255 * std::clamp(x[c * height * width + p], 0.f, 1.f))));
  return tenzo::png_encoded(pixels, width, height, int(channels));
}

}  // namespace program_pictures
