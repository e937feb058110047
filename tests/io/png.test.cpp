#include "tenzo/io/png.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace tenzo;

namespace {

std::uint32_t word(const std::string& s, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = at; i < at + 4; ++i) v = v << 8 | static_cast<unsigned char>(s[i]);
  return v;
}

/// The data of a chunk, once its checksum is right.
std::string chunk(const std::string& file, const std::string& kind) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t size = word(file, at);
    REQUIRE(at + 12 + size <= file.size());
    const auto* bytes = reinterpret_cast<const Bytef*>(file.data() + at + 4);
    CHECK(word(file, at + 8 + size) == std::uint32_t(::crc32(0, bytes, uInt(size + 4))));
    if (file.substr(at + 4, 4) == kind) return file.substr(at + 8, size);
    at += 12 + size;
  }
  return "";
}

/// The pixels of a file with 8 bits a channel, straight from the format's definition of its five filters.
std::vector<std::uint8_t> decoded(const std::string& file) {
  const std::string head = chunk(file, "IHDR"), packed = chunk(file, "IDAT");
  REQUIRE(head.size() == 13);
  CHECK(head[8] == 8);
  const std::size_t bytes = head[9] == 2 ? 3 : 1, row = word(head, 0) * bytes, height = word(head, 4);
  std::string rows(height * (row + 1), '\0');
  uLongf size = uLongf(rows.size());
  REQUIRE(::uncompress(reinterpret_cast<Bytef*>(rows.data()), &size, reinterpret_cast<const Bytef*>(packed.data()),
                       uLong(packed.size())) == Z_OK);
  REQUIRE(size == rows.size());
  std::vector<std::uint8_t> out;
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < row; ++x) {
      const int a = x >= bytes ? out[y * row + x - bytes] : 0, b = y > 0 ? out[(y - 1) * row + x] : 0;
      const int c = x >= bytes && y > 0 ? out[(y - 1) * row + x - bytes] : 0, p = a + b - c;
      const int near = std::abs(p - a) <= std::abs(p - b) && std::abs(p - a) <= std::abs(p - c) ? a
                       : std::abs(p - b) <= std::abs(p - c)                                     ? b
                                                                                                : c;
      const int guesses[] = {0, a, b, (a + b) / 2, near};
      const auto filter = static_cast<unsigned char>(rows[y * (row + 1)]);
      REQUIRE(filter < 5);
      out.push_back(std::uint8_t(static_cast<unsigned char>(rows[y * (row + 1) + 1 + x]) + guesses[filter]));
    }
  return out;
}

std::vector<std::uint8_t> noise(std::size_t n, std::uint32_t seed, int smooth) {
  std::vector<std::uint8_t> out;
  for (std::size_t i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    out.push_back(std::uint8_t(smooth > 0 ? double(i) / smooth + (seed >> 30) : seed >> 24));
  }
  return out;
}

}  // namespace

TEST_CASE("png: the pixels come back") {
  for (const int channels : {1, 3})
    for (const int smooth : {0, 3, 40})
      for (const auto& [width, height] : std::vector<std::pair<int, int>>{{1, 1}, {1, 7}, {7, 1}, {5, 3}, {64, 33}}) {
        const auto pixels = noise(std::size_t(width * height * channels), 7, smooth);
        CHECK(decoded(png_encoded(pixels, width, height, channels)) == pixels);
      }
}

TEST_CASE("png: the frame of the file") {
  const std::vector<std::uint8_t> pixels(300 * 2 * 3, 9);
  const std::string file = png_encoded(pixels, 300, 2, 3);
  CHECK(file.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  CHECK(chunk(file, "IHDR") == std::string("\0\0\1\x2c\0\0\0\2\x08\2\0\0\0", 13));
  CHECK(file.substr(file.size() - 12) ==
        std::string("\0\0\0\0IEND\xae\x42\x60\x82", 12));  // its checksum never changes
  CHECK(file.size() < 100);                                // all equal: next to nothing
}

TEST_CASE("png: sizes that do not fit are a sentence") {
  const std::vector<std::uint8_t> pixels(12);
  CHECK_THROWS_WITH_AS(png_encoded(pixels, 3, 3), "png: 12 bytes for 3 x 3 pixels of 1 channels", ShapeError);
  CHECK_THROWS_AS(png_encoded(pixels, 3, 2, 2), ShapeError);
  CHECK_THROWS_AS(png_encoded({}, 0, 0), ShapeError);
  CHECK_THROWS_AS(png_encoded(pixels, -4, -3), ShapeError);
}
