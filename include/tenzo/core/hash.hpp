// A 64-bit hash of bytes, to tell files and models apart.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace tenzo {

/// XXH64 with seed 0, over bytes that come in pieces: the same value as of all bytes at once, and as of other programs
/// for XXH64. Not against forgery. About 10 GB/s.
///   Source  the algorithm's published specification.
class Hash64 {
 public:
  void update(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    if (held_ > 0) {
      const std::size_t n = std::min(bytes.size(), block - held_);
      std::memcpy(hold_ + held_, bytes.data(), n);
      held_ += n;
      bytes = bytes.subspan(n);
      if (held_ < block) return;
      absorb(hold_);
      held_ = 0;
    }
    for (; bytes.size() >= block; bytes = bytes.subspan(block)) absorb(bytes.data());
    if (!bytes.empty()) std::memcpy(hold_, bytes.data(), held_ = bytes.size());
  }
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  template <std::integral T>
  void update(T x) {
    update(std::as_bytes(std::span(&x, 1)));
  }

  /// The hash of all bytes so far.
  std::uint64_t value() const {
    std::uint64_t h = p5;
    if (total_ >= block) {
      h = std::rotl(lane_[0], 1) + std::rotl(lane_[1], 7) + std::rotl(lane_[2], 12) + std::rotl(lane_[3], 18);
      for (const std::uint64_t v : lane_) h = (h ^ round(0, v)) * p1 + p4;
    }
    h += total_;
    std::size_t i = 0;
    for (; i + 8 <= held_; i += 8) h = std::rotl(h ^ round(0, load<std::uint64_t>(hold_ + i)), 27) * p1 + p4;
    for (; i + 4 <= held_; i += 4) h = std::rotl(h ^ load<std::uint32_t>(hold_ + i) * p1, 23) * p2 + p3;
    for (; i < held_; ++i) h = std::rotl(h ^ std::uint64_t(hold_[i]) * p5, 11) * p1;
    h = (h ^ (h >> 33)) * p2;
    h = (h ^ (h >> 29)) * p3;
    return h ^ (h >> 32);
  }

 private:
  static constexpr std::size_t block = 32;
  static constexpr std::uint64_t p1 = 0x9e3779b185ebca87, p2 = 0xc2b2ae3d27d4eb4f, p3 = 0x165667b19e3779f9,
                                 p4 = 0x85ebca77c2b2ae63, p5 = 0x27d4eb2f165667c5;

  template <class T>
  static T load(const std::byte* p) {
    T x;
    std::memcpy(&x, p, sizeof(T));
    return x;
  }
  static std::uint64_t round(std::uint64_t lane, std::uint64_t x) { return std::rotl(lane + x * p2, 31) * p1; }
  void absorb(const std::byte* p) {
    for (int i = 0; i < 4; ++i) lane_[i] = round(lane_[i], load<std::uint64_t>(p + 8 * i));
  }

  std::uint64_t lane_[4] = {p1 + p2, p2, 0, 0 - p1};
  std::uint64_t total_ = 0;
  std::byte hold_[block];
  std::size_t held_ = 0;
};

}  // namespace tenzo
