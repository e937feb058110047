// Quantised blocks of 256, whose runs of 16 or 32 elements have small integer scales of their own: layout and decoding.
#pragma once

#include <cstdint>

#include "tenzo/core/blocks.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/core/stored_dtype.hpp"

namespace tenzo {

namespace detail {

/// Scale and least value, 6 bits each, of the 8 runs of a Q4_K or Q5_K block, packed in 12 bytes: the low 6 bits of
/// bytes 0-3 and 4-7 are those of runs 0-3; bytes 8-11 hold the low 4 bits of runs 4-7, the top bits of the others
/// their upper 2.
TENZO_INLINE void unpack_scales(const std::uint8_t* s, std::uint8_t* scale, std::uint8_t* least) {
  for (int i = 0; i < 4; ++i) {
    scale[i] = s[i] & 63;
    least[i] = s[i + 4] & 63;
    scale[i + 4] = std::uint8_t((s[i + 8] & 15) | (s[i] >> 6) << 4);
    least[i + 4] = std::uint8_t((s[i + 8] >> 4) | (s[i + 4] >> 6) << 4);
  }
}

}  // namespace detail

/// x = d s q - m l, q in [0, 15]: 8 runs of 32 elements with scale s and least value l each. Runs 2j and 2j + 1 are
/// the low and the high halves of bytes [32 j, 32 j + 32).
struct BlockQ4_K {
  static constexpr DType dtype = DType::q4_k;
  static constexpr std::int64_t size = 256;
  detail::StoredHalf d, m;
  std::uint8_t scales[12];
  std::uint8_t q[128];

  TENZO_INLINE void decode(float* out) const {
    std::uint8_t s[8], l[8];
    detail::unpack_scales(scales, s, l);
    const float scale = d, least = -float(m);
    detail::Bytes16 b;
    for (int i = 0; i < 128; i += 16) {
      const int run = i / 32 * 2;
      float* o = out + run * 32 + i % 32;
      detail::load(b, q + i);
      detail::affine16(b & 15, scale * s[run], least * l[run], o);
      detail::affine16(b >> 4, scale * s[run + 1], least * l[run + 1], o + 32);
    }
  }
};

/// As Q4_K with a fifth bit: that of element i of run r is bit r of high[i].
struct BlockQ5_K {
  static constexpr DType dtype = DType::q5_k;
  static constexpr std::int64_t size = 256;
  detail::StoredHalf d, m;
  std::uint8_t scales[12];
  std::uint8_t high[32];
  std::uint8_t q[128];

  TENZO_INLINE void decode(float* out) const {
    std::uint8_t s[8], l[8];
    detail::unpack_scales(scales, s, l);
    const float scale = d, least = -float(m);
    detail::Bytes16 b, h;
    for (int i = 0; i < 128; i += 16) {
      const int run = i / 32 * 2;
      float* o = out + run * 32 + i % 32;
      detail::load(b, q + i);
      detail::load(h, high + i % 32);
      detail::affine16((b & 15) | ((h >> run) & 1) << 4, scale * s[run], least * l[run], o);
      detail::affine16((b >> 4) | ((h >> (run + 1)) & 1) << 4, scale * s[run + 1], least * l[run + 1], o + 32);
    }
  }
};

/// x = d s (q - 32), q in [0, 63]: 16 runs of 16 elements with a signed scale s each. Within each half of the block
/// (128 elements: 64 bytes of low, 32 of high) element 32 k + i has its low 4 bits in the low (k < 2) or high half of
/// byte i + 32 (k mod 2), and its upper 2 bits at bit 2k of high[i].
struct BlockQ6_K {
  static constexpr DType dtype = DType::q6_k;
  static constexpr std::int64_t size = 256;
  std::uint8_t low[128];
  std::uint8_t high[64];
  std::int8_t scales[16];
  detail::StoredHalf d;

  TENZO_INLINE void decode(float* out) const {
    const float scale = d;
    detail::Bytes16 b, h;
    for (int part = 0; part < 2; ++part)
      for (int i = 0; i < 32; i += 16) {
        detail::load(h, high + 32 * part + i);
        for (int k = 0; k < 4; ++k) {
          detail::load(b, low + 64 * part + 32 * (k % 2) + i);
          const detail::Bytes16 four = k < 2 ? b & 15 : b >> 4;
          const int at = 128 * part + 32 * k + i;
          detail::scale16((four | ((h >> (2 * k)) & 3) << 4) - 32, scale * scales[at / 16], out + at);
        }
      }
  }
};

static_assert(BlockFormat<BlockQ4_K> && BlockFormat<BlockQ5_K> && BlockFormat<BlockQ6_K>);

}  // namespace tenzo
