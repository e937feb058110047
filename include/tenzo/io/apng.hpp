// Animated PNG files in memory: what browsers play wherever they show a PNG. Needs zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/io/png.hpp"

namespace tenzo {

/// The bytes of an animation of images with 8 bits a channel, played for ever. A viewer that knows still images only
/// shows the first.
///   frames        each (height, width, channels), row by row from the top
///   milliseconds  between two frames, 1 to 65535
///   last          how long the last frame stays; 0: as long as the others
///   Throws  ShapeError where the pixels of a frame are not as many, ValueError where there is no frame.
///   Source  the chunks acTL, fcTL and fdAT of the PNG specification, third edition.
inline std::string apng_encoded(const std::vector<std::vector<std::uint8_t>>& frames, std::int64_t width,
                                std::int64_t height, int channels, int milliseconds, int last = 0) {
  require(!frames.empty() && frames.size() < std::size_t(1) << 31, "apng: ", frames.size(), " frames");
  require(milliseconds >= 1 && milliseconds <= 65535 && last >= 0 && last <= 65535, "apng: ", milliseconds, " and ",
          last, " ms a frame");
  constexpr std::size_t signature = 8, head_end = signature + 12 + 13;  // a still image: IHDR, one IDAT, IEND
  std::string file, chunk;
  std::uint32_t sequence = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::string still = png_encoded(frames[i], width, height, channels);
    const std::string_view data = std::string_view(still).substr(head_end + 8, still.size() - head_end - 12 - 12);
    if (i == 0) {
      file = still.substr(0, head_end);
      chunk.clear();
      detail::put_png_word(chunk, std::uint32_t(frames.size()));
      detail::put_png_word(chunk, 0);  // plays: without end
      detail::put_png_chunk(file, "acTL", chunk);
    }
    chunk.clear();
    detail::put_png_word(chunk, sequence++);
    for (const std::int64_t v : {width, height, std::int64_t(0), std::int64_t(0)})
      detail::put_png_word(chunk, std::uint32_t(v));
    const int delay = i + 1 == frames.size() && last > 0 ? last : milliseconds;
    for (const int part : {delay >> 8, delay & 255, 1000 >> 8, 1000 & 255}) chunk += char(part);
    chunk += '\0';  // the frame stays as it is,
    chunk += '\0';  // and replaces what was there
    detail::put_png_chunk(file, "fcTL", chunk);
    if (i == 0) {
      detail::put_png_chunk(file, "IDAT", data);
    } else {
      chunk.clear();
      detail::put_png_word(chunk, sequence++);
      chunk += data;
      detail::put_png_chunk(file, "fdAT", chunk);
    }
  }
  detail::put_png_chunk(file, "IEND", "");
  return file;
}

}  // namespace tenzo
