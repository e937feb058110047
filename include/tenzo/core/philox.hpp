// Philox4x32-10: 128 random bits as a function of a counter and a key. There is no state.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tenzo/core/simd.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo {

using PhiloxBlock = std::array<std::uint32_t, 4>;

namespace detail::philox {

inline constexpr std::uint32_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;  // multipliers of words 0 and 2
inline constexpr std::uint32_t w0 = 0x9E3779B9u, w1 = 0xBB67AE85u;  // what a round adds to the key

constexpr std::uint32_t low(std::uint64_t x) { return std::uint32_t(x); }
constexpr std::uint32_t high(std::uint64_t x) { return std::uint32_t(x >> 32); }
constexpr std::uint64_t product(std::uint32_t a, std::uint32_t b) { return std::uint64_t(a) * b; }

constexpr PhiloxBlock round(const PhiloxBlock& c, std::uint32_t k0, std::uint32_t k1) {
  const std::uint64_t p0 = product(m0, c[0]), p1 = product(m1, c[2]);
  return {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
}

}  // namespace detail::philox

/// The block of the counter (c0, c1, c2, c3) under a key of 64 bits whose low half is the first key word: ten rounds of
///     c ← (hi(m1 c2) ^ c1 ^ k0, lo(m1 c2), hi(m0 c0) ^ c3 ^ k1, lo(m0 c0)),   k ← k + w.
/// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
constexpr PhiloxBlock philox4x32(PhiloxBlock c, std::uint64_t key) {
  using namespace detail::philox;
  std::uint32_t k0 = low(key), k1 = high(key);
  for (int i = 0; i < 10; ++i, k0 += w0, k1 += w1) c = round(c, k0, k1);
  return c;
}

// The published known answers; the last input is made of the digits of pi.
static_assert(philox4x32({0, 0, 0, 0}, 0) == PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff) ==
              PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
              PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

/// Philox4x32-10 where only word 0 of the counter moves: what the noise of one matrix needs.
///   In the first two rounds half of the words are then constants; they are made once, here.
class PhiloxStream {
 public:
  constexpr PhiloxStream(std::uint64_t key, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3);

  /// The block of the counter (c0, c1, c2, c3).
  constexpr PhiloxBlock block(std::uint32_t c0) const;

  /// 64 words: the blocks of the counters c0 + i stride, i = 0 … 15, one after another. None may pass 2^32 where it is
  /// used.
  void words64(std::uint32_t c0, std::uint32_t stride, std::uint32_t* words) const;

  /// 128 words: those of words64(a, 1), then those of words64(b, 1), in less time than one after another.
  void words128(std::uint32_t a, std::uint32_t b, std::uint32_t* words) const;

 private:
  struct Blocks;

  std::uint32_t x2_ = 0;                      // after round 1, word 2 is hi(m0 c0) ^ x2, words 0 and 1 are constants
  std::uint32_t y0_ = 0, y2_ = 0;             // after round 2, word 0 is hi(m1 x2) ^ y0, word 2 is x3 ^ y2, word 3 is
  std::uint32_t y3_ = 0;                      //                constant: here with the key of round 3
  std::array<std::uint32_t, 8> k0_{}, k1_{};  // keys of rounds 3 to 10
};

constexpr PhiloxStream::PhiloxStream(std::uint64_t key, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3) {
  using namespace detail::philox;
  const auto k0 = [&](std::uint32_t round) { return low(key) + (round - 1) * w0; };
  const auto k1 = [&](std::uint32_t round) { return high(key) + (round - 1) * w1; };
  const std::uint64_t p1 = product(m1, c2), p0 = product(m0, high(p1) ^ c1 ^ k0(1));
  x2_ = c3 ^ k1(1);
  y0_ = low(p1) ^ k0(2);
  y2_ = high(p0) ^ k1(2);
  y3_ = low(p0) ^ k1(3);
  for (std::uint32_t i = 0; i < 8; ++i) k0_[i] = k0(i + 3), k1_[i] = k1(i + 3);
}

constexpr PhiloxBlock PhiloxStream::block(std::uint32_t c0) const {
  using namespace detail::philox;
  const std::uint64_t p0 = product(m0, c0), p1 = product(m1, high(p0) ^ x2_);
  PhiloxBlock x{high(p1) ^ y0_, low(p1), low(p0) ^ y2_, y3_ ^ k1_[0]};
  for (std::size_t i = 0; i < 8; ++i) x = round(x, k0_[i], k1_[i]);
  return x;
}

static_assert(PhiloxStream(0x299f31d0a4093822, 0x85a308d3, 0x13198a2e, 0x03707344).block(0x243f6a88) ==
              philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822));

#if defined(TENZO_AVX512) || defined(TENZO_AVX2)

namespace detail::philox {

// A counter in each 64-bit lane. Its words live in the low half; what a product leaves in the high half is never read.
// The counters are so ordered in the lanes that two interleavings put their blocks in order.

#if defined(TENZO_AVX512)
using CounterLanes = __m512i;
TENZO_INLINE CounterLanes all_lanes(std::uint32_t x) { return _mm512_set1_epi32(int(x)); }
TENZO_INLINE CounterLanes all_lanes(std::uint64_t x) { return _mm512_set1_epi64(std::int64_t(x)); }
TENZO_INLINE CounterLanes multiples(std::uint64_t x) {
  const auto i = [&](std::uint64_t n) { return std::int64_t(n * x); };
  return _mm512_setr_epi64(i(0), i(4), i(1), i(5), i(2), i(6), i(3), i(7));
}
TENZO_INLINE CounterLanes add(CounterLanes a, CounterLanes b) { return _mm512_add_epi64(a, b); }
TENZO_INLINE CounterLanes product(CounterLanes a, CounterLanes b) { return _mm512_mul_epu32(a, b); }
TENZO_INLINE CounterLanes high(CounterLanes a) { return _mm512_srli_epi64(a, 32); }
TENZO_INLINE CounterLanes exclusive_or(CounterLanes a, CounterLanes b) { return _mm512_xor_si512(a, b); }
TENZO_INLINE CounterLanes exclusive_or(CounterLanes a, CounterLanes b, CounterLanes c) {
  return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}
/// (hi(p) ^ x ^ k, lo(p)) in each lane: two words of a finished block.
TENZO_INLINE CounterLanes last_words(CounterLanes p, CounterLanes x, CounterLanes k) {
  return _mm512_mask_ternarylogic_epi32(_mm512_ror_epi64(p, 32), 0x5555, x, k, 0x96);
}
TENZO_INLINE CounterLanes low_pairs(CounterLanes xy, CounterLanes zw) { return _mm512_unpacklo_epi64(xy, zw); }
TENZO_INLINE CounterLanes high_pairs(CounterLanes xy, CounterLanes zw) { return _mm512_unpackhi_epi64(xy, zw); }
#else
using CounterLanes = __m256i;
TENZO_INLINE CounterLanes all_lanes(std::uint32_t x) { return _mm256_set1_epi32(int(x)); }
TENZO_INLINE CounterLanes all_lanes(std::uint64_t x) { return _mm256_set1_epi64x(std::int64_t(x)); }
TENZO_INLINE CounterLanes multiples(std::uint64_t x) {
  const auto i = [&](std::uint64_t n) { return std::int64_t(n * x); };
  return _mm256_setr_epi64x(i(0), i(2), i(1), i(3));
}
TENZO_INLINE CounterLanes add(CounterLanes a, CounterLanes b) { return _mm256_add_epi64(a, b); }
TENZO_INLINE CounterLanes product(CounterLanes a, CounterLanes b) { return _mm256_mul_epu32(a, b); }
TENZO_INLINE CounterLanes high(CounterLanes a) { return _mm256_srli_epi64(a, 32); }
TENZO_INLINE CounterLanes exclusive_or(CounterLanes a, CounterLanes b) { return _mm256_xor_si256(a, b); }
TENZO_INLINE CounterLanes exclusive_or(CounterLanes a, CounterLanes b, CounterLanes c) {
  return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
/// (hi(p) ^ x ^ k, lo(p)) in each lane: two words of a finished block.
TENZO_INLINE CounterLanes last_words(CounterLanes p, CounterLanes x, CounterLanes k) {
  return _mm256_blend_epi32(exclusive_or(high(p), x, k), _mm256_slli_epi64(p, 32), 0xaa);
}
TENZO_INLINE CounterLanes low_pairs(CounterLanes xy, CounterLanes zw) { return _mm256_unpacklo_epi64(xy, zw); }
TENZO_INLINE CounterLanes high_pairs(CounterLanes xy, CounterLanes zw) { return _mm256_unpackhi_epi64(xy, zw); }
#endif

}  // namespace detail::philox

/// Blocks in the making: word i of each counter, a counter a lane.
struct PhiloxStream::Blocks {
  using Lanes = detail::philox::CounterLanes;

  Lanes x0, x1, x2, x3;

  /// The first two rounds, from p = m0 c0.
  TENZO_INLINE Blocks(const PhiloxStream& s, Lanes p) {
    using namespace detail::philox;
    x1 = product(all_lanes(std::uint64_t(m1)), exclusive_or(high(p), all_lanes(s.x2_)));
    x0 = exclusive_or(high(x1), all_lanes(s.y0_));
    x2 = exclusive_or(p, all_lanes(s.y2_));
    x3 = all_lanes(s.y3_ ^ s.k1_[0]);
  }
  TENZO_INLINE void round(Lanes k0, Lanes k1) {
    using namespace detail::philox;
    const Lanes p0 = product(all_lanes(std::uint64_t(m0)), x0), p1 = product(all_lanes(std::uint64_t(m1)), x2);
    x0 = exclusive_or(high(p1), x1, k0), x1 = p1;
    x2 = exclusive_or(high(p0), x3, k1), x3 = p0;
  }
  /// The last round; then the blocks in order.
  TENZO_INLINE void finish(Lanes k0, Lanes k1, std::uint32_t* words) const {
    using namespace detail::philox;
    const Lanes xy = last_words(product(all_lanes(std::uint64_t(m1)), x2), x1, k0);
    const Lanes zw = last_words(product(all_lanes(std::uint64_t(m0)), x0), x3, k1);
    const Lanes first = low_pairs(xy, zw), second = high_pairs(xy, zw);
    std::memcpy(words, &first, sizeof first);
    std::memcpy(words + sizeof first / sizeof *words, &second, sizeof second);
  }
};

// What follows is called, not inlined: a call costs nothing beside 64 words, and code that uses noise stays small.

#if defined(TENZO_AVX512)

[[gnu::noinline]] inline void PhiloxStream::words64(std::uint32_t c0, std::uint32_t stride,
                                                    std::uint32_t* words) const {
  using namespace detail::philox;
  const std::uint64_t p0 = product(m0, c0), step = product(m0, stride);
  const CounterLanes steps = multiples(step);
  Blocks a(*this, add(all_lanes(p0), steps)), b(*this, add(all_lanes(p0 + 8 * step), steps));
  for (std::size_t i = 0; i < 7; ++i) {
    const CounterLanes k0 = all_lanes(k0_[i]), k1 = all_lanes(k1_[i]);
    a.round(k0, k1), b.round(k0, k1);
  }
  const CounterLanes k0 = all_lanes(k0_[7]), k1 = all_lanes(k1_[7]);
  a.finish(k0, k1, words), b.finish(k0, k1, words + 32);
}

/// A round waits for its products longer than it computes: four registers of counters fill that time.
[[gnu::noinline]] inline void PhiloxStream::words128(std::uint32_t first, std::uint32_t second,
                                                     std::uint32_t* words) const {
  using namespace detail::philox;
  const std::uint64_t p0 = product(m0, first), q0 = product(m0, second), half = 8 * std::uint64_t(m0);
  const CounterLanes steps = multiples(m0);
  Blocks a(*this, add(all_lanes(p0), steps)), b(*this, add(all_lanes(p0 + half), steps));
  Blocks c(*this, add(all_lanes(q0), steps)), d(*this, add(all_lanes(q0 + half), steps));
  for (std::size_t i = 0; i < 7; ++i) {
    const CounterLanes k0 = all_lanes(k0_[i]), k1 = all_lanes(k1_[i]);
    a.round(k0, k1), b.round(k0, k1), c.round(k0, k1), d.round(k0, k1);
  }
  const CounterLanes k0 = all_lanes(k0_[7]), k1 = all_lanes(k1_[7]);
  a.finish(k0, k1, words), b.finish(k0, k1, words + 32);
  c.finish(k0, k1, words + 64), d.finish(k0, k1, words + 96);
}

#else

[[gnu::noinline]] inline void PhiloxStream::words64(std::uint32_t c0, std::uint32_t stride,
                                                    std::uint32_t* words) const {
  using namespace detail::philox;
  const std::uint64_t step = product(m0, stride);
  const CounterLanes steps = multiples(step);
  for (std::uint32_t half = 0; half < 2; ++half, words += 32) {
    const std::uint64_t p0 = product(m0, c0) + 8 * half * step;
    Blocks a(*this, add(all_lanes(p0), steps)), b(*this, add(all_lanes(p0 + 4 * step), steps));
    for (std::size_t i = 0; i < 7; ++i) {
      const CounterLanes k0 = all_lanes(k0_[i]), k1 = all_lanes(k1_[i]);
      a.round(k0, k1), b.round(k0, k1);
    }
    const CounterLanes k0 = all_lanes(k0_[7]), k1 = all_lanes(k1_[7]);
    a.finish(k0, k1, words), b.finish(k0, k1, words + 16);
  }
}

inline void PhiloxStream::words128(std::uint32_t a, std::uint32_t b, std::uint32_t* words) const {
  words64(a, 1, words);  // 16 registers hold no more at once
  words64(b, 1, words + 64);
}

#endif

#else

inline void PhiloxStream::words64(std::uint32_t c0, std::uint32_t stride, std::uint32_t* words) const {
  for (std::uint32_t i = 0; i < 16; ++i) {
    const PhiloxBlock x = block(c0 + i * stride);
    std::copy(x.begin(), x.end(), words + 4 * i);
  }
}

inline void PhiloxStream::words128(std::uint32_t a, std::uint32_t b, std::uint32_t* words) const {
  words64(a, 1, words);
  words64(b, 1, words + 64);
}

#endif

}  // namespace tenzo

TENZO_INTRINSICS_END
