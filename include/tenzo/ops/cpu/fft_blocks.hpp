// The lines of a transform along an axis, in blocks of as many as there are lanes; passes over all of them, in
// parallel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/cpu/fft_lanes.hpp"
#include "tenzo/ops/cpu/scratch.hpp"

namespace tenzo::cpu {

/// The lines along the middle axis of arrays (outer, n, inner), which differ in n and in whether numbers are complex.
template <Real T>
class LineBlocks {
 public:
  LineBlocks(std::int64_t outer, std::int64_t inner) : inner_(inner) {
    // Where lines lie side by side, a block is of one outer index; else blocks count lines through.
    joined_ = inner < lanes;
    per_outer_ = joined_ ? 0 : (inner + lanes - 1) / lanes;
    lines_ = outer * inner;
    count_ = joined_ ? (lines_ + lanes - 1) / lanes : outer * per_outer_;
  }

  std::int64_t count() const { return count_; }

  /// f(at) of a block: at.complex(n) and at.real(n) are its lines in an array of such numbers.
  template <class F>
  void at(std::int64_t block, F&& f) const {
    if (!joined_) {
      const std::int64_t i = block % per_outer_ * lanes;
      return f(Columns{block / per_outer_, i, std::min(lanes, inner_ - i), inner_});
    }
    const std::int64_t first = block * lanes, w = std::min(lanes, lines_ - first);
    if (inner_ == 1 && w == lanes) f(Rows{first});
    else f(Scattered{first, w, inner_});
  }

 private:
  static constexpr std::int64_t lanes = Simd<T>::size;

  struct Columns {
    std::int64_t o, i, w, inner;
    ColumnLines<T> complex(std::int64_t n) const { return {2 * (o * n * inner + i), 2 * inner, w, n}; }
    RealColumnLines<T> real(std::int64_t n) const { return {o * n * inner + i, inner, w, n}; }
  };
  struct Rows {
    std::int64_t first;
    RowLines<T> complex(std::int64_t n) const { return real(2 * n); }
    RowLines<T> real(std::int64_t n) const { return {first * n, n, n}; }
  };
  struct Scattered {
    std::int64_t first, w, inner;
    ScatteredLines<T> complex(std::int64_t n) const { return scattered(2, n, 1, 2 * n); }
    ScatteredLines<T> real(std::int64_t n) const { return scattered(1, n, inner, n); }

   private:
    ScatteredLines<T> scattered(std::int64_t size, std::int64_t n, std::int64_t next, std::int64_t numbers) const {
      ScatteredLines<T> lines{w, 2 * inner, next, numbers, {}};
      for (std::int64_t l = 0; l < w; ++l) {
        const std::int64_t line = first + l;
        lines.start[std::size_t(l)] = size * (line / inner * n * inner + line % inner);
      }
      return lines;
    }
  };

  std::int64_t inner_;
  bool joined_ = false;
  std::int64_t per_outer_ = 0, lines_ = 0, count_ = 0;
};

/// One pass: all blocks of `lines`, which has
///   size(), blocks(), workspace()            a line's length, how many blocks, numbers of T that a block works in
///   run(block, const T* x, T* y, T* work)
template <Real T, class Lines>
void run_blocks(const Lines& lines, const T* x, T* y) {
  constexpr std::int64_t work = 1 << 14;
  parallel_for(lines.blocks(), std::max<std::int64_t>(1, work / (lines.size() * Simd<T>::size)),
               [&](std::int64_t begin, std::int64_t end) {
                 const Scratch<T> scratch(lines.workspace());
                 for (std::int64_t b = begin; b < end; ++b) lines.run(b, x, y, scratch.data());
               });
}

/// Numbers of T in an image before, between and after two passes.
struct PassSizes {
  std::int64_t before, between, after;
};

/// Two passes over each of `batch` images; first(images) makes the pass of so many. The second is in place where y has
/// room for what is between; else the first may be, in a copy of x.
///   Image by image where there are enough, so that the second pass finds the image in the cache. The same bits either
///   way.
template <Real T, class First, class Second>
void run_two_passes(std::int64_t batch, const PassSizes& size, const First& first, const Second& second, const T* x,
                    T* y) {
  const std::int64_t room = size.between > size.after ? size.between : 0;
  if (batch < threads()) {
    const Scratch<T> scratch(room * batch);
    T* const between = room > 0 ? scratch.data() : y;
    run_blocks(first(batch), x, between);
    return run_blocks(second(batch), static_cast<const T*>(between), y);
  }
  const auto before = first(1);
  const auto after = second(1);
  parallel_for(batch, 1, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> scratch(std::max(before.workspace(), after.workspace())), image(room);
    for (std::int64_t i = begin; i < end; ++i) {
      const T* from = x + i * size.before;
      T *const to = y + i * size.after, *const between = room > 0 ? image.data() : to;
      if (room > 0) from = std::copy_n(from, size.before, between) - size.before;  // which reads x in its order
      for (std::int64_t b = 0; b < before.blocks(); ++b) before.run(b, from, between, scratch.data());
      for (std::int64_t b = 0; b < after.blocks(); ++b) after.run(b, between, to, scratch.data());
    }
  });
}

}  // namespace tenzo::cpu
