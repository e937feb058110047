// How a run of a row is read from and written to each stored format.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tenzo/core/blocks.hpp"
#include "tenzo/core/blocks_k.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/core/stored_dtype.hpp"

namespace tenzo::detail {

/// 16 elements at a time from bfloat16 or half to float and back; the same bits as one at a time.
#if defined(TENZO_AVX512) || defined(TENZO_AVX2)
TENZO_INLINE void widen16(const std::byte* in, float* out, bfloat16) {
  for (int i = 0; i < 16; i += 8) {
    const __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)(in + 2 * i)));
    _mm256_storeu_si256((__m256i*)(out + i), _mm256_slli_epi32(h, 16));
  }
}
TENZO_INLINE __m256i bfloat16_bits(__m256i u) {
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i near = _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
  const __m256 x = _mm256_castsi256_ps(u), nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_srli_epi32(_mm256_blendv_epi8(near, quiet, _mm256_castps_si256(nan)), 16);
}
TENZO_INLINE void narrow16(const float* in, std::byte* out, bfloat16) {
  const __m256i a = bfloat16_bits(_mm256_loadu_si256((const __m256i*)in));
  const __m256i b = bfloat16_bits(_mm256_loadu_si256((const __m256i*)(in + 8)));
  _mm256_storeu_si256((__m256i*)out, _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8));
}
TENZO_INLINE void widen16(const std::byte* in, float* out, half) {
  for (int i = 0; i < 16; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(in + 2 * i))));
}
TENZO_INLINE void narrow16(const float* in, std::byte* out, half) {
  for (int i = 0; i < 16; i += 8)
    _mm_storeu_si128((__m128i*)(out + 2 * i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
}
#else
template <class T>
void widen16(const std::byte* in, float* out, T) {
  T h[16];
  std::memcpy(h, in, sizeof h);
  for (int i = 0; i < 16; ++i) out[i] = h[i];
}
template <class T>
void narrow16(const float* in, std::byte* out, T) {
  T h[16];
  for (int i = 0; i < 16; ++i) h[i] = T(in[i]);
  std::memcpy(out, h, sizeof h);
}
#endif

/// A plain format: columns [col, col + n) of the row at `row`.
template <Scalar T>
struct PlainCodec {
  static constexpr bool encodable = is_encodable(dtype_of<T>);
  static constexpr bool narrow = std::same_as<T, half> || std::same_as<T, bfloat16>;

  static void decode(const std::byte* row, std::int64_t col, std::int64_t n, float* out) {
    row += col * std::int64_t(sizeof(T));
    std::int64_t i = 0;
    if constexpr (std::same_as<T, float>) {
      if (n > 0) std::memcpy(out, row, std::size_t(n) * sizeof(float));
      return;
    }
    if constexpr (narrow)
      for (; i + 16 <= n; i += 16) widen16(row + i * 2, out + i, T{});
    for (; i < n; ++i) {
      if constexpr (std::same_as<T, bool>) out[i] = row[i] != std::byte{0};
      else {
        T x;
        std::memcpy(&x, row + i * std::int64_t(sizeof(T)), sizeof(T));
        out[i] = float(x);
      }
    }
  }

  static void encode(const float* in, std::int64_t col, std::int64_t n, std::byte* row) requires encodable {
    row += col * std::int64_t(sizeof(T));
    std::int64_t i = 0;
    if constexpr (std::same_as<T, float>) {
      if (n > 0) std::memcpy(row, in, std::size_t(n) * sizeof(float));
      return;
    }
    if constexpr (narrow)
      for (; i + 16 <= n; i += 16) narrow16(in + i, row + i * 2, T{});
    for (; i < n; ++i) {
      const T x(in[i]);
      std::memcpy(row + i * std::int64_t(sizeof(T)), &x, sizeof(T));
    }
  }
};

/// A block format. Decoding may start and end within a block; encoding takes whole ones.
template <BlockFormat B>
struct BlockCodec {
  static constexpr bool encodable = is_encodable(B::dtype);

  static void decode(const std::byte* row, std::int64_t col, std::int64_t n, float* out) {
    const auto* block = reinterpret_cast<const B*>(row) + col / B::size;
    const std::int64_t end = col + n;
    float whole[B::size];
    while (col < end) {
      const std::int64_t skip = col % B::size, take = std::min(B::size - skip, end - col);
      if (take == B::size) block->decode(out);
      else {
        block->decode(whole);
        std::copy_n(whole + skip, take, out);
      }
      ++block;
      col += take;
      out += take;
    }
  }

  static void encode(const float* in, std::int64_t col, std::int64_t n, std::byte* row) requires encodable {
    for (std::int64_t i = 0; i < n; i += B::size) {
      const B block = B::encode(in + i);
      std::memcpy(row + (col + i) / B::size * std::int64_t(sizeof(B)), &block, sizeof(B));
    }
  }
};

/// Calls f with the codec of a format.
template <class F>
void with_codec(DType t, F&& f) {
  switch (t) {
    case DType::f32: return f(PlainCodec<float>{});
    case DType::f64: return f(PlainCodec<double>{});
    case DType::f16: return f(PlainCodec<half>{});
    case DType::bf16: return f(PlainCodec<bfloat16>{});
    case DType::i8: return f(PlainCodec<std::int8_t>{});
    case DType::i16: return f(PlainCodec<std::int16_t>{});
    case DType::i32: return f(PlainCodec<std::int32_t>{});
    case DType::i64: return f(PlainCodec<std::int64_t>{});
    case DType::u8: return f(PlainCodec<std::uint8_t>{});
    case DType::u16: return f(PlainCodec<std::uint16_t>{});
    case DType::u32: return f(PlainCodec<std::uint32_t>{});
    case DType::u64: return f(PlainCodec<std::uint64_t>{});
    case DType::boolean: return f(PlainCodec<bool>{});
    case DType::q4_0: return f(BlockCodec<BlockQ4_0>{});
    case DType::q4_1: return f(BlockCodec<BlockQ4_1>{});
    case DType::q5_0: return f(BlockCodec<BlockQ5_0>{});
    case DType::q5_1: return f(BlockCodec<BlockQ5_1>{});
    case DType::q8_0: return f(BlockCodec<BlockQ8_0>{});
    case DType::q4_k: return f(BlockCodec<BlockQ4_K>{});
    case DType::q5_k: return f(BlockCodec<BlockQ5_K>{});
    case DType::q6_k: return f(BlockCodec<BlockQ6_K>{});
  }
}

}  // namespace tenzo::detail
