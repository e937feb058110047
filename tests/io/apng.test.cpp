// Animated PNG files, chunk by chunk.
#include "tenzo/io/apng.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace tenzo;

namespace {

std::uint32_t word(const std::string& s, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = at; i < at + 4; ++i) v = v << 8 | static_cast<unsigned char>(s[i]);
  return v;
}

/// All chunks in order, once their checksums are right.
std::vector<std::pair<std::string, std::string>> chunks(const std::string& file) {
  std::vector<std::pair<std::string, std::string>> out;
  for (std::size_t at = 8; at < file.size();) {
    REQUIRE(at + 12 <= file.size());
    const std::size_t size = word(file, at);
    REQUIRE(at + 12 + size <= file.size());
    const auto* bytes = reinterpret_cast<const Bytef*>(file.data() + at + 4);
    CHECK(word(file, at + 8 + size) == std::uint32_t(::crc32(0, bytes, uInt(size + 4))));
    out.emplace_back(file.substr(at + 4, 4), file.substr(at + 8, size));
    at += 12 + size;
  }
  return out;
}

/// The pixels' data of a still picture.
std::string data_of(const std::vector<std::uint8_t>& pixels) {
  for (const auto& [kind, data] : chunks(png_encoded(pixels, 3, 2, 3)))
    if (kind == "IDAT") return data;
  return "";
}

}  // namespace

TEST_CASE("apng: the chunks of three frames") {
  std::vector<std::vector<std::uint8_t>> frames(3, std::vector<std::uint8_t>(18, 0));
  for (std::size_t i = 0; i < 18; ++i) frames[1][i] = std::uint8_t(13 * i), frames[2][i] = std::uint8_t(255 - i);
  const std::string file = apng_encoded(frames, 3, 2, 3, 40, 1500);
  CHECK(file.substr(0, 8) == "\x89PNG\r\n\x1a\n");
  const auto all = chunks(file);
  std::vector<std::string> kinds;
  for (const auto& [kind, data] : all) kinds.push_back(kind);
  CHECK(kinds == std::vector<std::string>{"IHDR", "acTL", "fcTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND"});
  CHECK(word(all[0].second, 0) == 3);
  CHECK(word(all[0].second, 4) == 2);
  CHECK(word(all[1].second, 0) == 3);
  CHECK(word(all[1].second, 4) == 0);
  std::uint32_t sequence = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string& control = all[2 + 2 * i].second;
    REQUIRE(control.size() == 26);
    CHECK(word(control, 0) == sequence++);
    CHECK(word(control, 4) == 3);
    CHECK(word(control, 8) == 2);
    CHECK(word(control, 12) == 0);
    const int delay = int(static_cast<unsigned char>(control[20])) << 8 | static_cast<unsigned char>(control[21]);
    CHECK(delay == (i == 2 ? 1500 : 40));
    CHECK((int(static_cast<unsigned char>(control[22])) << 8 | static_cast<unsigned char>(control[23])) == 1000);
    std::string data = all[3 + 2 * i].second;
    if (i > 0) {
      CHECK(word(data, 0) == sequence++);
      data = data.substr(4);
    }
    CHECK(data == data_of(frames[i]));
  }
}

TEST_CASE("apng: what can not be is a sentence") {
  CHECK_THROWS_AS(apng_encoded({}, 3, 2, 3, 40), ValueError);
  CHECK_THROWS_AS(apng_encoded({std::vector<std::uint8_t>(18)}, 3, 2, 3, 0), ValueError);
  CHECK_THROWS_AS(apng_encoded({std::vector<std::uint8_t>(17)}, 3, 2, 3, 40), ShapeError);
  CHECK_THROWS_AS(apng_encoded({std::vector<std::uint8_t>(18), std::vector<std::uint8_t>(6)}, 3, 2, 3, 40), ShapeError);
}
