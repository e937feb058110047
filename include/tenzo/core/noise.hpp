// Noise as a function: key, row, column → number. Any part of any matrix, in any order, on any thread, the same bits.
//
// Philox4x32-10 of the key's seed makes the blocks; the counter is
//     c0  block of the element: row * ceil(cols / n) + col / n for n elements a block, so a row starts at a block of
//     its own c1  tensor, its top four bits the purpose c2  query c3  step
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <variant>

#include "tenzo/core/error.hpp"
#include "tenzo/core/normal.hpp"
#include "tenzo/core/philox.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo {

/// What noise is for: kept in the top four bits of a tensor number, so that noise of two purposes never meets.
enum class Purpose : std::uint32_t { direction, initialisation, dropout, data_order, rounding };

/// Names the noise of one tensor. All the state that there is.
struct NoiseKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t query = 0;
  std::uint32_t tensor = 0;  // below 2^28 for directions

  /// The key of the same tensor, step and query for another purpose.
  constexpr NoiseKey of(Purpose purpose) const {
    return {seed, step, query, (tensor & 0x0fffffffu) | std::uint32_t(purpose) << 28};
  }
  constexpr bool operator==(const NoiseKey&) const = default;
};

/// The law of the numbers, independent of each other.
struct Law {
  enum Kind : std::uint8_t {
    normal,      // N(0, 1) as normal_from_word; element j of a block is its word j
    rademacher,  // 1 or -1; 128 elements a block: element j is -1 where bit j % 32 of word j / 32 is set
    uniform,     // in (0, 1): (x >> 8 | 1) / 2^24 of the word x, the centres of 2^23 equal cells
    ternary,  // 1 or -1 with probability density / 2 each, else 0: of the word x, bit 0 is the sign, the rest decides
  };
  Kind kind = normal;
  double density = 2. / 3;  // of ternary: the probability of not being zero, in steps of 2^-30

  constexpr Law(Kind k = normal, double nonzero = 2. / 3) : kind(k), density(nonzero) {}
};

namespace detail {

/// Beside the laws: 16 random bits an element, low half of a word first, 8 elements a block.
inline constexpr auto sixteen_bits = Law::Kind(255);

}  // namespace detail

/// The noise of one matrix: the key's schedule made once, then any tile of it. It is a RowSource (row_source.hpp).
///   Runs    64 numbers in registers. What a run has beyond the end of its row is noise too, of no further use.
///   Throws  ValueError when the matrix has more than 2^32 blocks (2^34 words), or the density is no probability.
template <Law::Kind kind>
class Noise {
 public:
  using Run = std::array<Simd<float>, 4>;

  /// Elements of a Philox block.
  static constexpr std::int64_t block = kind == Law::rademacher ? 128 : kind == detail::sixteen_bits ? 8 : 4;

  Noise(const NoiseKey& key, std::int64_t rows, std::int64_t cols, double density = Law().density)
      : stream_(key.seed, key.tensor, key.query, key.step),
        rows_(rows),
        cols_(cols),
        row_blocks_((cols + block - 1) / block),
        threshold_(std::uint32_t(std::lround(density * 0x1p30))) {
    require(rows >= 0 && cols >= 0, "noise: a matrix of ", rows, " rows and ", cols, " columns");
    require(row_blocks_ == 0 || rows <= (std::int64_t(1) << 32) / row_blocks_, "noise: ", rows, " rows of ", cols,
            " columns take more than 2^32 blocks");
    require(density >= 0 && density <= 1, "noise: the density is ", density, "; want a probability");
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  std::int64_t row_blocks() const { return row_blocks_; }
  std::uint32_t block_of(std::int64_t row, std::int64_t col) const {
    return std::uint32_t(row * row_blocks_ + col / block);
  }

  /// z of (row, col) … (row, col + 63); col is a multiple of 64. For laws of a word an element.
  TENZO_INLINE Run run64(std::int64_t row, std::int64_t col) const requires(block == 4) {
    return from_words(stream_.words64(block_of(row, col)));
  }
  TENZO_INLINE void run64(std::int64_t row, std::int64_t col, float* to) const requires(block == 4) {
    store(run64(row, col), to);
  }

  /// to[i * to_row + j] = z of (row + i, col + j), i < rows <= 16, j < cols <= 64; col is a multiple of 64. Writes
  /// nothing else.
  void tile(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* to,
            std::int64_t to_row) const {
    if (cols == 64) for_tile(row, rows, col, [&](std::int64_t i, const Run& z) { store(z, to + i * to_row); });
    else for_tile(row, rows, col, [&](std::int64_t i, const Run& z) { store(z, to + i * to_row, cols); });
  }

  /// Calls f(i, run of (row + i, col)) for i < rows <= 16; col is a multiple of 64.
  template <class F>
  TENZO_INLINE void for_tile(std::int64_t row, std::int64_t rows, std::int64_t col, F&& f) const {
    if constexpr (block == 4) {
      for (std::int64_t i = 0; i < rows; i += 2) {
        const auto x = stream_.twice_words64(block_of(row + i, col), block_of(row + i + 1, col));
        f(i, from_words(x[0]));
        if (i + 1 < rows) f(i + 1, from_words(x[1]));
      }
    } else {
      const Bits bits(stream_.words64(block_of(row, col), std::uint32_t(row_blocks_)));
      for (std::int64_t i = 0; i < rows; ++i) f(i, from_bits(bits, block * i / 64 + col % block / 64));
    }
  }

  /// Calls f(run) for the first `count` runs of the blocks first, first + 1, …
  template <class F>
  TENZO_INLINE void for_runs(std::uint32_t first, std::int64_t count, F&& f) const {
    if constexpr (block == 4) {
      for (std::int64_t i = 0; i < count; i += 2, first += 32) {
        const auto x = stream_.twice_words64(first, first + 16);
        f(from_words(x[0]));
        if (i + 1 < count) f(from_words(x[1]));
      }
    } else {
      constexpr std::int64_t batch = 16 * block / 64;  // runs of 16 blocks
      for (std::int64_t i = 0; i < count; i += batch, first += 16) {
        const Bits bits(stream_.words64(first));
        const std::int64_t some = std::min(batch, count - i);
        for (std::int64_t j = 0; j < some; ++j) f(from_bits(bits, j));
      }
    }
  }

  TENZO_INLINE static void store(const Run& z, float* to) {
    z[0].store(to), z[1].store(to + 16), z[2].store(to + 32), z[3].store(to + 48);
  }
  TENZO_INLINE static void store(const Run& z, float* to, std::int64_t n) {
    for (std::int64_t i = 0; 16 * i < n; ++i) z[std::size_t(i)].store(to + 16 * i, n - 16 * i);
  }

 private:
  using Words = detail::Words;

  struct Bits {
    alignas(64) std::uint32_t word[64];

    TENZO_INLINE explicit Bits(const std::array<Words, 4>& x) {
      x[0].store(word), x[1].store(word + 16), x[2].store(word + 32), x[3].store(word + 48);
    }
  };

  TENZO_INLINE Simd<float> number(const Words& x) const {
    if constexpr (kind == Law::normal) {
      return detail::normal_from_words(x);
    } else if constexpr (kind == Law::uniform) {
      const Words odd = and_or(detail::shift_right<8>(x), Words(0x00ffffffu), Words(1u));
      return to_float(odd) * Simd<float>(0x1p-24f);
    } else {
      static_assert(kind == Law::ternary);
      const Words signed_one = and_or(shift_left(x, Words(31u)), Words(0x80000000u), Words(0x3f800000u));
      return as_float(where_less(detail::shift_right<2>(x), Words(threshold_), signed_one));
    }
  }

  TENZO_INLINE Run from_words(const std::array<Words, 4>& x) const {
    return {number(x[0]), number(x[1]), number(x[2]), number(x[3])};
  }

  /// Run i of the 64 words.
  TENZO_INLINE static Run from_bits(const Bits& bits, std::int64_t i) {
    if constexpr (kind == Law::rademacher) {
      const Words low(bits.word[2 * i]), high(bits.word[2 * i + 1]);
      return {signs(low, 0), signs(low, 1), signs(high, 0), signs(high, 1)};
    } else {
      const std::uint32_t* word = bits.word + 32 * i;
      return {as_float(detail::halves(word)), as_float(detail::halves(word + 8)), as_float(detail::halves(word + 16)),
              as_float(detail::halves(word + 24))};
    }
  }

  /// 1 or -1 by the bits 16 half … 16 half + 15 of the word in all lanes.
  TENZO_INLINE static Simd<float> signs(const Words& word, int half) {
    const Words top = shift_left(word, Words::load(detail::bit_to_top[half]));
    return as_float(xor_and(Words(0x3f800000u), top, Words(0x80000000u)));
  }

  PhiloxStream stream_;
  std::int64_t rows_, cols_, row_blocks_;
  std::uint32_t threshold_;
};

/// Noise of a law that is chosen at run time; std::visit takes its user to code made for the law.
using AnyNoise = std::variant<Noise<Law::normal>, Noise<Law::rademacher>, Noise<Law::uniform>, Noise<Law::ternary>>;

inline AnyNoise make_noise(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  switch (law.kind) {
    case Law::rademacher: return Noise<Law::rademacher>(key, rows, cols);
    case Law::uniform: return Noise<Law::uniform>(key, rows, cols);
    case Law::ternary: return Noise<Law::ternary>(key, rows, cols, law.density);
    default: return Noise<Law::normal>(key, rows, cols);
  }
}

}  // namespace tenzo

TENZO_INTRINSICS_END
