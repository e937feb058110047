// Noise as a function: key, row, column → number. Any part of any matrix, in any order, on any thread, the same bits.
//
// Philox4x32-10 of the key's seed makes the blocks; the counter is
//     c0  block of the element: row * ceil(cols / n) + col / n for n elements a block, so a row starts at a block of
//     its own c1  tensor, its top four bits the purpose c2  query c3  step
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <variant>

#include "tenzo/core/error.hpp"
#include "tenzo/core/normal.hpp"
#include "tenzo/core/philox.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo {

/// What noise is for: kept in the top four bits of a tensor number, so that noise of two purposes never meets.
enum class Purpose : std::uint32_t {
  direction,       // of zeroth-order probes
  initialisation,  // of weights
  dropout,
  data_order,
  rounding,     // stochastic, of half-precision updates
  environment,  // dynamics and exploration
  attack,       // starts and stalled steps
  unrolling,    // smoothing within an unrolled network
  smoothing     // of a function's input
};

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

/// The noise of one matrix: the key's schedule made once, then any part of it. It is a RowSource (row_source.hpp).
///   Throws  ValueError when the matrix has more than 2^32 blocks (2^34 words), or the density is no probability.
template <Law::Kind kind>
class Noise {
 public:
  using Run = std::array<Simd<float>, 4>;  // 64 numbers in registers

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

  /// to[j] = z of (row, col + j), j < 64; col is a multiple of 64. Beyond the end of the row is noise of no use.
  ///   Rows cost less together, in `tile`; most so Rademacher's, of which 2048 are made at once.
  void run64(std::int64_t row, std::int64_t col, float* to) const { tile(row, 1, col, 64, to, 64); }

  /// to[i * to_row + j] = z of (row + i, col + j), i < rows <= 16, j < cols <= 64; col is a multiple of 64. Writes
  /// nothing else.
  void tile(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* to,
            std::int64_t to_row) const {
    for_tile(row, rows, col, [&](std::int64_t i, const Run& z) {
      float* t = to + i * to_row;
      if (cols == 64) z[0].store(t), z[1].store(t + 16), z[2].store(t + 32), z[3].store(t + 48);
      else
        for (std::int64_t j = 0; 16 * j < cols; ++j) z[std::size_t(j)].store(t + 16 * j, cols - 16 * j);
    });
  }

  /// Calls f(i, run) with the 64 numbers from (row + i, col) on, for i < rows <= 16; col is a multiple of 64.
  template <class F>
  TENZO_INLINE void for_tile(std::int64_t row, std::int64_t rows, std::int64_t col, F&& f) const {
    static_assert(kind <= Law::ternary);
    alignas(64) std::uint32_t words[128];
    if constexpr (kind == Law::rademacher) {
      stream_.words64(block_of(row, col), std::uint32_t(row_blocks_), words);
      const std::uint32_t* half = words + (col % 128 == 0 ? 0 : 2);
      for (std::int64_t i = 0; i < rows; ++i) f(i, run(half + 4 * i));
    } else {
      for (std::int64_t i = 0; i < rows; ++i) {
        if (i % 2 == 0) stream_.words128(block_of(row + i, col), block_of(row + i + 1, col), words);
        f(i, run(words + i % 2 * 64));
      }
    }
  }

  /// Calls f(run) `count` times, with 64 numbers of the blocks first, first + 1, … at a time.
  template <class F>
  TENZO_INLINE void for_runs(std::uint32_t first, std::int64_t count, F&& f) const {
    alignas(64) std::uint32_t words[128];
    constexpr std::int64_t batch = 128 / run_words;
    for (; count > 0; count -= batch, first += 32) {
      if (count > batch / 2) stream_.words128(first, first + 16, words);
      else stream_.words64(first, 1, words);
      const std::uint32_t* end = words + run_words * std::min(batch, count);
      for (const std::uint32_t* w = words; w != end; w += run_words) f(run(w));
    }
  }

 private:
  using Words = detail::Words;

  /// Words that 64 numbers take.
  static constexpr std::int64_t run_words = 4 * 64 / block;

  TENZO_INLINE Run run(const std::uint32_t* words) const {
    return {lanes<0>(words), lanes<1>(words), lanes<2>(words), lanes<3>(words)};
  }

  /// Numbers 16 i, …, 16 i + 15 of a run.
  template <int i>
  TENZO_INLINE Simd<float> lanes(const std::uint32_t* words) const {
    if constexpr (kind == Law::normal) {
      return detail::normal_from_words(Words::load(words + 16 * i));
    } else if constexpr (kind == Law::uniform) {
      const Words odd = and_or(detail::shift_right<8>(Words::load(words + 16 * i)), Words(0x00ffffffu), Words(1u));
      return to_float(odd) * Simd<float>(0x1p-24f);
    } else if constexpr (kind == Law::ternary) {
      const Words x = Words::load(words + 16 * i);
      const Words signed_one = and_or(shift_left(x, Words(31u)), Words(0x80000000u), Words(0x3f800000u));
      return as_float(where_less(detail::shift_right<2>(x), Words(threshold_), signed_one));
    } else if constexpr (kind == Law::rademacher) {
      const Words top = shift_left(Words(words[i / 2]), Words::load(detail::bit_to_top[i % 2]));
      return as_float(xor_and(Words(0x3f800000u), top, Words(0x80000000u)));
    } else {
      return as_float(detail::halves(words + 8 * i));
    }
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
