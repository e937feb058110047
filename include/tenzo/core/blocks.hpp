// Quantised blocks of 32: for each format its layout, its decoding to float and, where we write it, its encoding.
//
// A block is a struct of bytes, so it may lie at any address. d is the scale, m the least value, q the small integers
// ("codes"). Every product below is exact in float (11 bits of d times at most 13 of the rest), so a decoded value
// is rounded at most once, by the addition of m, and the bits are the same with and without fused operations.
// The layouts are those of the GGUF format.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>

#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/core/stored_dtype.hpp"

namespace tenzo {

namespace detail {

using Bytes16 = std::uint8_t __attribute__((vector_size(16)));

/// A half at any address.
struct StoredHalf {
  std::uint8_t bytes[2];

  StoredHalf() = default;
  explicit StoredHalf(float x) {
    const std::uint16_t u = float_to_half(x);
    std::memcpy(bytes, &u, 2);
  }
  operator float() const {
    std::uint16_t u;
    std::memcpy(&u, bytes, 2);
#if defined(TENZO_AVX512) || defined(TENZO_AVX2)
    return _cvtsh_ss(u);
#else
    return half_to_float(u);
#endif
  }
};

TENZO_INLINE void load(Bytes16& r, const std::uint8_t* p) { std::memcpy(&r, p, 16); }

/// 16 codes in two's complement, as floats.
TENZO_INLINE Simd<float> floats(const Bytes16& q) {
  Simd<float> x;
#if defined(TENZO_AVX512)
  x.part[0] = _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, (__m128i)q));
#elif defined(TENZO_AVX2)
  x.part[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32((__m128i)q));
  x.part[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128((__m128i)q, 8)));
#else
  for (int i = 0; i < 16; ++i) x.part[i] = float(std::int8_t(q[i]));
#endif
  return x;
}

/// out[i] = d q[i] for 16 codes.
TENZO_INLINE void scale16(const Bytes16& q, float d, float* out) { (floats(q) * Simd<float>(d)).store(out); }

/// out[i] = d q[i] + m for 16 codes.
TENZO_INLINE void affine16(const Bytes16& q, float d, float m, float* out) {
  (floats(q) * Simd<float>(d) + Simd<float>(m)).store(out);
}

/// Bit i of `bits` becomes 16 in lane i, or 0.
TENZO_INLINE void fifth_bits(Bytes16& r, const std::uint8_t* bits) {
  const std::uint8_t a = bits[0], b = bits[1];
  const Bytes16 byte{a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b};
  const Bytes16 bit{1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  r = (Bytes16)((byte & bit) == bit) & 16;
}

/// Checks what a block's scale must be before codes are made of it: a finite half.
inline void require_finite_scale(float scale, bool finite, DType t) {
  require(finite && std::abs(scale) < 65520.f, dtype_name(t),
          ": a value is not finite or too large for the format's scale");
}

/// 1 / d, or 0 for a block whose scale is too small to divide by (its values decode to its least one).
inline float inverse_scale(float d) {
  const float inverse = 1.f / d;
  return std::isfinite(inverse) ? inverse : 0.f;
}

}  // namespace detail

/// x = d (q - 8), q in [0, 15]; element i in the low half of byte i, element 16 + i in the high half.
struct BlockQ4_0 {
  static constexpr DType dtype = DType::q4_0;
  static constexpr std::int64_t size = 32;
  detail::StoredHalf d;
  std::uint8_t q[16];

  TENZO_INLINE void decode(float* out) const {
    detail::Bytes16 b;
    detail::load(b, q);
    detail::scale16((b & 15) - 8, d, out);
    detail::scale16((b >> 4) - 8, d, out + 16);
  }

  /// d is a -8th of the value farthest from zero, so that this value is met exactly; q rounded half up.
  static BlockQ4_0 encode(const float* x) {
    float extreme = 0;
    bool finite = true;
    for (int i = 0; i < size; ++i) {
      finite &= std::isfinite(x[i]);
      if (std::abs(x[i]) > std::abs(extreme)) extreme = x[i];
    }
    const float scale = extreme / -8.f, inverse = detail::inverse_scale(scale);
    detail::require_finite_scale(scale, finite, dtype);
    const auto code = [&](float v) { return std::clamp(int(v * inverse + 8.5f), 0, 15); };
    BlockQ4_0 b;
    b.d = detail::StoredHalf(scale);
    for (int i = 0; i < 16; ++i) b.q[i] = std::uint8_t(code(x[i]) | code(x[i + 16]) << 4);
    return b;
  }
};

/// x = d q + m, q in [0, 15], halves of bytes as in Q4_0.
struct BlockQ4_1 {
  static constexpr DType dtype = DType::q4_1;
  static constexpr std::int64_t size = 32;
  detail::StoredHalf d, m;
  std::uint8_t q[16];

  TENZO_INLINE void decode(float* out) const {
    detail::Bytes16 b;
    detail::load(b, q);
    detail::affine16(b & 15, d, m, out);
    detail::affine16(b >> 4, d, m, out + 16);
  }

  /// m is the least value, d a 15th of the range; q rounded half up.
  static BlockQ4_1 encode(const float* x) {
    float least = x[0], most = x[0];
    bool finite = true;
    for (int i = 0; i < size; ++i) {
      finite &= std::isfinite(x[i]);
      least = std::min(least, x[i]);
      most = std::max(most, x[i]);
    }
    const float scale = (most - least) / 15.f, inverse = detail::inverse_scale(scale);
    detail::require_finite_scale(scale, finite, dtype);
    detail::require_finite_scale(least, finite, dtype);
    const auto code = [&](float v) { return std::clamp(int((v - least) * inverse + 0.5f), 0, 15); };
    BlockQ4_1 b;
    b.d = detail::StoredHalf(scale);
    b.m = detail::StoredHalf(least);
    for (int i = 0; i < 16; ++i) b.q[i] = std::uint8_t(code(x[i]) | code(x[i + 16]) << 4);
    return b;
  }
};

/// x = d (q - 16), q in [0, 31]; four bits as in Q4_0, the fifth bit of element i is bit i of `high`.
struct BlockQ5_0 {
  static constexpr DType dtype = DType::q5_0;
  static constexpr std::int64_t size = 32;
  detail::StoredHalf d;
  std::uint8_t high[4];
  std::uint8_t q[16];

  TENZO_INLINE void decode(float* out) const {
    detail::Bytes16 b, h0, h1;
    detail::load(b, q);
    detail::fifth_bits(h0, high);
    detail::fifth_bits(h1, high + 2);
    detail::scale16(((b & 15) | h0) - 16, d, out);
    detail::scale16(((b >> 4) | h1) - 16, d, out + 16);
  }
};

/// x = d q + m, q in [0, 31], bits as in Q5_0.
struct BlockQ5_1 {
  static constexpr DType dtype = DType::q5_1;
  static constexpr std::int64_t size = 32;
  detail::StoredHalf d, m;
  std::uint8_t high[4];
  std::uint8_t q[16];

  TENZO_INLINE void decode(float* out) const {
    detail::Bytes16 b, h0, h1;
    detail::load(b, q);
    detail::fifth_bits(h0, high);
    detail::fifth_bits(h1, high + 2);
    detail::affine16((b & 15) | h0, d, m, out);
    detail::affine16((b >> 4) | h1, d, m, out + 16);
  }
};

/// x = d q, q in [-127, 127].
struct BlockQ8_0 {
  static constexpr DType dtype = DType::q8_0;
  static constexpr std::int64_t size = 32;
  detail::StoredHalf d;
  std::uint8_t q[32];  // two's complement

  TENZO_INLINE void decode(float* out) const {
    detail::Bytes16 b;
    for (int i = 0; i < 32; i += 16) {
      detail::load(b, q + i);
      detail::scale16(b, d, out + i);
    }
  }

  /// d is a 127th of the largest magnitude; q rounded to nearest, halves away from zero.
  static BlockQ8_0 encode(const float* x) {
    float most = 0;
    bool finite = true;
    for (int i = 0; i < size; ++i) {
      finite &= std::isfinite(x[i]);
      most = std::max(most, std::abs(x[i]));
    }
    const float scale = most / 127.f, inverse = detail::inverse_scale(scale);
    detail::require_finite_scale(scale, finite, dtype);
    BlockQ8_0 b;
    b.d = detail::StoredHalf(scale);
    for (int i = 0; i < size; ++i) b.q[i] = std::uint8_t(std::clamp(int(std::round(x[i] * inverse)), -127, 127));
    return b;
  }
};

/// A block format: its layout is its bytes, `decode` gives its elements as floats.
template <class B>
concept BlockFormat = alignof(B) == 1 && sizeof(B) == dtype_info(B::dtype).bytes&& B::size ==
                                             dtype_info(B::dtype).block&& requires(const B b, float* out) {
  b.decode(out);
};

static_assert(BlockFormat<BlockQ4_0> && BlockFormat<BlockQ4_1> && BlockFormat<BlockQ5_0> && BlockFormat<BlockQ5_1>);
static_assert(BlockFormat<BlockQ8_0>);

}  // namespace tenzo
