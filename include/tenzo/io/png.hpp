// PNG files in memory. Needs zlib.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "tenzo/core/error.hpp"

namespace tenzo {
namespace detail {

inline void put_png_word(std::string& out, std::uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) out += char(v >> shift & 0xff);
}

/// length, kind, data, checksum of kind and data.
inline void put_png_chunk(std::string& out, std::string_view kind, std::string_view data) {
  put_png_word(out, std::uint32_t(data.size()));
  const std::size_t begin = out.size();
  out += kind;
  out += data;
  const auto* bytes = reinterpret_cast<const Bytef*>(out.data() + begin);
  put_png_word(out, std::uint32_t(::crc32(0, bytes, uInt(out.size() - begin))));
}

/// The predictor of Paeth: of left, above and left above, the one nearest to left + above − left above.
inline int paeth(int left, int above, int corner) {
  const int p = left + above - corner;
  const int to_left = std::abs(p - left), to_above = std::abs(p - above), to_corner = std::abs(p - corner);
  return to_left <= to_above && to_left <= to_corner ? left : to_above <= to_corner ? above : corner;
}

/// The rows as differences from one of the format's five predictions, for each row the one with the least sum of sizes.
inline std::string png_filtered(std::span<const std::uint8_t> pixels, std::size_t row_bytes, std::size_t pixel_bytes) {
  std::string out, tried(row_bytes, '\0'), best;
  for (std::size_t begin = 0; begin < pixels.size(); begin += row_bytes) {
    const auto at = [&](std::size_t i, bool back, bool up) {
      return (back && i < pixel_bytes) || (up && begin == 0)
                 ? 0
                 : int(pixels[begin + i - (back ? pixel_bytes : 0) - (up ? row_bytes : 0)]);
    };
    long least = -1;
    char filter = 0;
    for (char f = 0; f < 5; ++f) {
      long sum = 0;
      for (std::size_t i = 0; i < row_bytes; ++i) {
        const int left = at(i, true, false), above = at(i, false, true);
        const int guess = f == 0   ? 0
                          : f == 1 ? left
                          : f == 2 ? above
                          : f == 3 ? (left + above) / 2
                                   : paeth(left, above, at(i, true, true));
        const auto rest = static_cast<signed char>(int(pixels[begin + i]) - guess);
        tried[i] = rest;
        sum += std::abs(int(rest));
      }
      if (least >= 0 && sum >= least) continue;
      least = sum;
      filter = f;
      best = tried;
    }
    out += filter;
    out += best;
  }
  return out;
}

}  // namespace detail

/// The bytes of a PNG file of an image with 8 bits a channel.
///   pixels    (height, width, channels), row by row from the top
///   channels  1 grey, 3 red green blue
///   Throws ShapeError where the pixels are not as many.
inline std::string png_encoded(std::span<const std::uint8_t> pixels, std::int64_t width, std::int64_t height,
                               int channels = 1) {
  expect((channels == 1 || channels == 3) && width > 0 && height > 0 && width <= 1 << 20 && height <= 1 << 20 &&
             std::int64_t(pixels.size()) == width * height * channels,
         "png: ", pixels.size(), " bytes for ", width, " x ", height, " pixels of ", channels, " channels");
  std::string head;
  detail::put_png_word(head, std::uint32_t(width));
  detail::put_png_word(head, std::uint32_t(height));
  head += {8, char(channels == 1 ? 0 : 2), 0, 0, 0};
  const std::string rows = detail::png_filtered(pixels, std::size_t(width * channels), std::size_t(channels));
  uLongf size = ::compressBound(uLong(rows.size()));
  std::string packed(size, '\0');
  const int status = ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                                 reinterpret_cast<const Bytef*>(rows.data()), uLong(rows.size()), Z_BEST_COMPRESSION);
  require(status == Z_OK, "png: zlib can not compress ", rows.size(), " bytes (", status, ')');
  packed.resize(size);
  require(packed.size() < std::size_t(1) << 31, "png: an image of ", width, " x ", height, " is too large");
  std::string file = "\x89PNG\r\n\x1a\n";
  detail::put_png_chunk(file, "IHDR", head);
  detail::put_png_chunk(file, "IDAT", packed);
  detail::put_png_chunk(file, "IEND", "");
  return file;
}

}  // namespace tenzo
