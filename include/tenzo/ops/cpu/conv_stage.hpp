// Rows of output pixels through the register tiles: cut into spans, summed as [pixel][channel] in a small buffer, and
// from there written to memory as [channel][pixel].
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/ops/cpu/conv_blocks.hpp"
#include "tenzo/ops/cpu/conv_tile.hpp"
#include "tenzo/ops/cpu/prefetch.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

namespace tenzo::cpu {

template <Real T>
class TileStage {
 public:
  static constexpr std::int64_t capacity = 192;  // pixels
  static constexpr std::int64_t buffer_size = capacity * block_vectors * Simd<T>::size;

  /// `ahead` is memory wanted later, by whoever owns it.
  TileStage(T* buffer, Prefetch& ahead) : buffer_(buffer), ahead_(ahead) {}

  /// All sums of a block of vectors of channels; `rows` begin at their first pixel in the source and, in the block's
  /// first channel, in memory.
  void run(const TapBlock<T>& block, const std::vector<Span<T>>& rows, std::int64_t pixels) {
    if (block.channels.vectors == 1) run_width<1>(block, rows, pixels);
    else run_width<block_vectors>(block, rows, pixels);
  }

  /// How often `ahead` is stepped for `outputs` pixels of a block, about.
  static std::int64_t steps(const TapLoop& loop, const ChannelBlock& channels, std::int64_t outputs) {
    const std::int64_t tile = channels.vectors == 1 ? 4 * tile_rows<1, 4> : 4 * tile_rows<block_vectors, 4>;
    return (outputs + tile - 1) / tile * loop.runs();
  }

 private:
  /// Spans of a tile: as many as the registers hold.
  template <int Vectors, int Pixels>
#if defined(TENZO_AVX512)
  static constexpr int tile_rows = std::min(24 / Vectors / Pixels, 8);
#else
  static constexpr int tile_rows = Pixels == 4 ? 1 : 3;
#endif

  /// Pixels that lie side by side in memory.
  struct Piece {
    T* out;
    std::int64_t pixels;
  };

  /// How rows are cut: spans of Pixels pixels, `rows` rows together, pieces of `length` pixels where a row is too long.
  template <int Vectors, int Pixels>
  struct Cut {
    std::int64_t cuts, length, rows = 1;
    double cost = 1e300;  // of a pixel

    explicit Cut(std::int64_t pixels) : cuts((pixels + capacity - 1) / capacity), length((pixels + cuts - 1) / cuts) {
      // An address for each span costs instructions; so short spans must save some work to be worth it.
      constexpr double overhead = Pixels == 4 ? 1 : Pixels == 2 ? 1.01 : 1.1;
      constexpr double flush_cost = 2;  // in pixels
      const std::int64_t many = tile_rows<Vectors, Pixels>, spans = (length + Pixels - 1) / Pixels;
      if (length < Pixels) return;
      for (std::int64_t r = 1; r * length <= capacity; ++r) {
        const auto n = double(r * length);
        const double c = (overhead * double((r * spans + many - 1) / many * many * Pixels) + flush_cost) / n;
        if (c < cost - 1e-9) cost = c, rows = r;
      }
    }
  };

  template <int Vectors>
  void run_width(const TapBlock<T>& block, const std::vector<Span<T>>& rows, std::int64_t pixels) {
    const Cut<Vectors, 4> four(pixels);
    const Cut<Vectors, 2> two(pixels);
    const Cut<Vectors, 1> one(pixels);
    if (four.cost <= two.cost && four.cost <= one.cost) cut_rows(four, block, rows, pixels);
    else if (two.cost <= one.cost) cut_rows(two, block, rows, pixels);
    else cut_rows(one, block, rows, pixels);
  }

  /// The last span of a row overlaps the one before where the row is no multiple of Pixels.
  template <int Vectors, int Pixels>
  void cut_rows(const Cut<Vectors, Pixels>& cut, const TapBlock<T>& block, const std::vector<Span<T>>& rows,
                std::int64_t pixels) {
    constexpr std::int64_t width = Vectors * Simd<T>::size;
    const std::int64_t step = block.loop.out_step;
    std::int64_t gathered = 0;
    for (const Span<T>& row : rows)
      for (std::int64_t i = 0; i < cut.cuts; ++i) {
        const std::int64_t begin = std::min(i * cut.length, pixels - cut.length);
        T* to = row.out + begin * step;
        if (!pieces_.empty() && step == 1 && pieces_.back().out + pieces_.back().pixels == to)
          pieces_.back().pixels += cut.length;
        else pieces_.push_back({to, cut.length});
        for (std::int64_t q = 0; q < cut.length; q += Pixels) {
          const std::int64_t at = std::min(q, cut.length - Pixels);
          spans_.push_back({row.source + begin + at, buffer_ + (staged_ + at) * width});
        }
        staged_ += cut.length;
        if (++gathered % cut.rows == 0) flush<Vectors, Pixels>(block);
      }
    if (staged_) flush<Vectors, Pixels>(block);
  }

  template <int Vectors, int Pixels>
  void flush(const TapBlock<T>& block) {
    constexpr int many = tile_rows<Vectors, Pixels>, few = (many + 1) / 2;
    constexpr std::int64_t width = Vectors * Simd<T>::size;
    const TapLoop& loop = block.loop;
    const auto n = std::int64_t(spans_.size());
    Prefetch out;
    for (const Piece& p : pieces_)
      out.add(p.out, block.channels.count, (p.pixels - 1) * loop.out_step + 1, loop.out_plane);
    out.spread(n / many * loop.runs());
    while (spans_.size() % many) spans_.push_back(spans_.back());
    for (std::int64_t i = 0; i < n;) {
      if (n - i > few) tap_tile<T, Vectors, many, Pixels>(block, spans_.data() + i, out, ahead_), i += many;
      else tap_tile<T, Vectors, few, Pixels>(block, spans_.data() + i, out, ahead_), i += few;
    }
    if (block.bias) add_bias(block, width);
    const T* from = buffer_;
    for (const Piece& p : pieces_) write(block, from, width, p), from += p.pixels * width;
    spans_.clear(), pieces_.clear();
    staged_ = 0;
  }

  void add_bias(const TapBlock<T>& block, std::int64_t width) {
    using V = Simd<T>;
    for (std::int64_t v = 0; v < width; v += V::size) {
      const V b = V::load(block.bias + v, std::min<std::int64_t>(block.channels.count - v, V::size));
      for (std::int64_t i = 0; i < staged_; ++i) (V::load(buffer_ + i * width + v) + b).store(buffer_ + i * width + v);
    }
  }

  static void write(const TapBlock<T>& block, const T* from, std::int64_t width, const Piece& p) {
    const std::int64_t plane = block.loop.out_plane, step = block.loop.out_step;
    if (step == 1) return copy_transposed(block.channels.count, p.pixels, from, width, p.out, plane);
    for (std::int64_t o = 0; o < block.channels.count; ++o)
      for (std::int64_t i = 0; i < p.pixels; ++i) p.out[o * plane + i * step] = from[i * width + o];
  }

  T* buffer_;
  Prefetch& ahead_;
  std::vector<Span<T>> spans_;
  std::vector<Piece> pieces_;
  std::int64_t staged_ = 0;  // pixels
};

}  // namespace tenzo::cpu
