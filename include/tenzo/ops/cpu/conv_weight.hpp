// The gradient of a convolution by its weights: dw[o][c][t] = Σ_{image, pixel} dy[o][pixel] x[c][pixel at tap t].
//
// The sum over pixels is cut into pieces that depend on the sizes only. In a piece every weight that belongs to a
// vector of output channels is one chain of fused multiply-adds in the order of images and pixels; weights of channels
// that are made singly have one chain for each lane, pixels going to lanes in turn. The pieces are added in their
// order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/cpu/conv_blocks.hpp"
#include "tenzo/ops/cpu/conv_plan.hpp"
#include "tenzo/ops/cpu/conv_tile.hpp"
#include "tenzo/ops/cpu/conv_window.hpp"
#include "tenzo/ops/cpu/scratch.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

namespace tenzo::cpu {

/// The pixels of a band: rows of `cols` neighbours; x lies in a window, whose rows of outputs are x_step apart.
struct PixelLoop {
  std::int64_t rows = 0, cols = 0, x_step = 0;
};

/// Adds to Runs times Taps weights of Vectors vectors of channels: taps of a run are neighbours in the window.
///   x    window;  run[r] offset of the run's first tap;  dy [pixel][Vectors · lanes];  sum[r] [Taps][Vectors · lanes]
template <Real T, int Vectors, int Runs, int Taps>
void weight_tile(const PixelLoop& loop, const T* x, const std::int64_t* run, const T* dy, T* const* sum) {
  using V = Simd<T>;
  V acc[Runs * Taps][Vectors];
  TENZO_UNROLL
  for (int r = 0; r < Runs; ++r) TENZO_UNROLL
  for (int t = 0; t < Taps; ++t) TENZO_UNROLL
  for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v] = V::load(sum[r] + (t * Vectors + v) * V::size);
  const T* source[Runs];
  TENZO_UNROLL
  for (int r = 0; r < Runs; ++r) source[r] = x + run[r];
  for (std::int64_t j = 0; j < loop.rows; ++j) {
    for (std::int64_t q = j * loop.x_step; q < j * loop.x_step + loop.cols; ++q, dy += Vectors * V::size) {
      asm("" : "+r"(q));  // else g++ carries x[q + 1] over to the next pixel, in registers that it does not have
      V g[Vectors];
      TENZO_UNROLL
      for (int v = 0; v < Vectors; ++v) g[v] = V::load(dy + v * V::size);
      TENZO_UNROLL
      for (int r = 0; r < Runs; ++r) TENZO_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel(source[r][q + t]);
        TENZO_UNROLL
        for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v] = fmadd(pixel, g[v], acc[r * Taps + t][v]);
      }
    }
  }
  TENZO_UNROLL
  for (int r = 0; r < Runs; ++r) TENZO_UNROLL
  for (int t = 0; t < Taps; ++t) TENZO_UNROLL
  for (int v = 0; v < Vectors; ++v) acc[r * Taps + t][v].store(sum[r] + (t * Vectors + v) * V::size);
}

/// Adds to the weights of Outputs channels and Taps taps, lanes along the rows.
///   dy   plane of the first channel at the band, `dy_plane` to the next;  sum [Outputs][Taps] vectors, `sum_step`
///        elements from a channel to the next
template <Real T, int Outputs, int Taps>
void weight_row(const PixelLoop& loop, const T* x, const std::int64_t* tap, const T* dy, std::int64_t dy_plane, T* sum,
                std::int64_t sum_step) {
  using V = Simd<T>;
  V acc[Outputs][Taps];
  TENZO_UNROLL
  for (int o = 0; o < Outputs; ++o) TENZO_UNROLL
  for (int t = 0; t < Taps; ++t) acc[o][t] = V::load(sum + o * sum_step + t * V::size);
  for (std::int64_t j = 0; j < loop.rows; ++j) {
    const T* source = x + j * loop.x_step;
    const T* from = dy + j * loop.cols;
    std::int64_t q = 0;
    for (; q + V::size <= loop.cols; q += V::size) {
      V g[Outputs];
      TENZO_UNROLL
      for (int o = 0; o < Outputs; ++o) g[o] = V::load(from + o * dy_plane + q);
      TENZO_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel = V::load(source + tap[t] + q);
        TENZO_UNROLL
        for (int o = 0; o < Outputs; ++o) acc[o][t] = fmadd(pixel, g[o], acc[o][t]);
      }
    }
    if (const std::int64_t left = loop.cols - q; left > 0) {
      V g[Outputs];
      TENZO_UNROLL
      for (int o = 0; o < Outputs; ++o) g[o] = V::load(from + o * dy_plane + q, left);
      TENZO_UNROLL
      for (int t = 0; t < Taps; ++t) {
        const V pixel = V::load(source + tap[t] + q, left);
        TENZO_UNROLL
        for (int o = 0; o < Outputs; ++o) acc[o][t] = fmadd(pixel, g[o], acc[o][t]);
      }
    }
  }
  TENZO_UNROLL
  for (int o = 0; o < Outputs; ++o) TENZO_UNROLL
  for (int t = 0; t < Taps; ++t) acc[o][t].store(sum + o * sum_step + t * V::size);
}

template <Real T>
class WeightGradient {
 public:
  explicit WeightGradient(const ConvGeometry& g)
      : g_(g), blocks_(channel_blocks<T>(g.group_out(), channels_in_vectors<T>(g.group_out()))) {
    plan_ = detail::forward_plan(g);
    entries_ = g.group_in() * g.taps();
    for (const ChannelBlock& b : blocks_) {
      sums_.push_back(group_size_);
      group_size_ += entries_ * lanes_of(b);
    }
  }

  /// Writes all of dw.
  void run(const T* x, const T* dy, T* dw) const {
    const std::int64_t weights = g_.out * entries_;
    if (weights == 0) return;
    const std::int64_t rows = g_.out_size.h;
    const std::int64_t row_bytes =
        std::int64_t(sizeof(T)) * g_.out_size.w * (g_.group_in() * g_.stride.h * g_.stride.w + 2 * Simd<T>::size);
    const std::int64_t band = std::clamp<std::int64_t>(band_bytes / std::max<std::int64_t>(1, row_bytes), 1, rows);
    const std::int64_t bands = (rows + band - 1) / band, units = g_.batch * bands;
    const std::int64_t size = group_size_ * g_.groups;
    const std::int64_t pieces =
        std::min(std::max<std::int64_t>(1, units), std::clamp<std::int64_t>(max_sums / size, 1, max_pieces));
    const std::int64_t splits = std::clamp<std::int64_t>(std::int64_t(blocks_.size()) / 4, 1, 16);

    const Scratch<T> sums(pieces * size);
    parallel_for(pieces * g_.groups * splits, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t split = i % splits, group = i / splits % g_.groups, piece = i / splits / g_.groups;
        add_piece(x, dy, group, piece * units / pieces, (piece + 1) * units / pieces, band, bands,
                  sums.data() + piece * size + group * group_size_, split, splits);
      }
    });
    combine(sums.data(), pieces, size, dw);
  }

 private:
  static constexpr std::int64_t band_bytes = 1 << 19, max_pieces = 16, max_sums = 1 << 24;

  struct Run {
    std::int64_t offset, entry;
  };

  static std::int64_t lanes_of(const ChannelBlock& b) {
    return b.vectors ? b.template width<T>() : b.count * Simd<T>::size;
  }

  void add_piece(const T* x, const T* dy, std::int64_t group, std::int64_t unit0, std::int64_t unit1, std::int64_t band,
                 std::int64_t bands, T* sum, std::int64_t split, std::int64_t splits) const {
    const auto block0 = std::size_t(split * std::int64_t(blocks_.size()) / splits);
    const auto block1 = std::size_t((split + 1) * std::int64_t(blocks_.size()) / splits);
    std::fill(sum + sums_[block0], block1 < blocks_.size() ? sum + sums_[block1] : sum + group_size_, T(0));
    const std::int64_t plane = g_.out_plane();
    for (std::int64_t u = unit0; u < unit1; ++u) {
      const std::int64_t image = u / bands, j0 = u % bands * band, j1 = std::min(g_.out_size.h, j0 + band);
      const Window window(plan_.row, plan_.col, j0, j1);
      const Scratch<T> copy(g_.group_in() * window.plane + Simd<T>::size);
      fill_window(window, x + (image * g_.in + group * g_.group_in()) * g_.in_plane(), g_.group_in(), g_.in_size,
                  copy.data());
      const PixelLoop loop{j1 - j0, g_.out_size.w, window.row_step * window.pitch()};
      std::vector<std::int64_t> tap;
      for (std::int64_t a : plan_.row.phases[0].offset)
        for (std::int64_t b : plan_.col.phases[0].offset) tap.push_back(window.tap(plan_.row, plan_.col, a, b));
      std::vector<Run> threes, ones;
      for (std::int64_t c = 0; c < g_.group_in(); ++c)
        for (std::int64_t t = 0, n; t < g_.taps(); t += n) {
          const bool three = t % g_.kernel.w + 3 <= g_.kernel.w && tap[std::size_t(t + 1)] == tap[std::size_t(t)] + 1 &&
                             tap[std::size_t(t + 2)] == tap[std::size_t(t)] + 2;
          n = three ? 3 : 1;
          (three ? threes : ones).push_back({tap[std::size_t(t)] + c * window.plane, c * g_.taps() + t});
        }
      for (std::size_t b = block0; b < block1; ++b) {
        const ChannelBlock& block = blocks_[b];
        const T* from = dy + (image * g_.out + group * g_.group_out() + block.first) * plane + j0 * g_.out_size.w;
        if (block.vectors == 0) {
          for (std::int64_t c = 0; c < g_.group_in(); ++c)
            add_rows(loop, copy.data() + c * window.plane, tap, from, block.count,
                     sum + sums_[b] + c * g_.taps() * Simd<T>::size);
          continue;
        }
        const Scratch<T> pixels(loop.rows * loop.cols * block.template width<T>());
        const std::int64_t width = block.template width<T>();
        copy_transposed(loop.rows * loop.cols, block.count, from, plane, pixels.data(), width);
        for (std::int64_t i = 0; block.count < width && i < loop.rows * loop.cols; ++i)
          std::fill(pixels.data() + i * width + block.count, pixels.data() + (i + 1) * width, T(0));
        if (block.vectors == 1) {
          add_runs<1, 3>(loop, copy.data(), threes, pixels.data(), sum + sums_[b]);
          add_runs<1, 1>(loop, copy.data(), ones, pixels.data(), sum + sums_[b]);
        } else {
          add_runs<block_vectors, 3>(loop, copy.data(), threes, pixels.data(), sum + sums_[b]);
          add_runs<block_vectors, 1>(loop, copy.data(), ones, pixels.data(), sum + sums_[b]);
        }
      }
    }
  }

  template <int Vectors, int Taps>
  void add_runs(const PixelLoop& loop, const T* x, const std::vector<Run>& runs, const T* dy, T* sum) const {
#if defined(TENZO_AVX512)
    constexpr int many = Taps == 3 ? 8 / Vectors : 8;
#else
    constexpr int many = Taps == 3 ? 2 : 4;
#endif
    std::size_t i = 0;
    i = add_some<Vectors, Taps, many>(loop, x, runs, i, dy, sum);
    if constexpr (many > 4) i = add_some<Vectors, Taps, 4>(loop, x, runs, i, dy, sum);
    if constexpr (many > 2) i = add_some<Vectors, Taps, 2>(loop, x, runs, i, dy, sum);
    add_some<Vectors, Taps, 1>(loop, x, runs, i, dy, sum);
  }

  template <int Vectors, int Taps, int Runs>
  std::size_t add_some(const PixelLoop& loop, const T* x, const std::vector<Run>& runs, std::size_t i, const T* dy,
                       T* sum) const {
    for (; i + Runs <= runs.size(); i += Runs) {
      std::int64_t offset[Runs];
      T* to[Runs];
      for (int r = 0; r < Runs; ++r) {
        offset[r] = runs[i + std::size_t(r)].offset;
        to[r] = sum + runs[i + std::size_t(r)].entry * Vectors * Simd<T>::size;
      }
      weight_tile<T, Vectors, Runs, Taps>(loop, x, offset, dy, to);
    }
    return i;
  }

  void add_rows(const PixelLoop& loop, const T* x, const std::vector<std::int64_t>& tap, const T* dy,
                std::int64_t outputs, T* sum) const {
    const auto n = std::int64_t(tap.size());
    constexpr std::int64_t lanes = Simd<T>::size;
    const std::int64_t plane = g_.out_plane(), step = entries_ * lanes;
    auto add = [&]<int Outputs>(std::int64_t o) {
      const T* from = dy + o * plane;
      T* to = sum + o * step;
      std::int64_t t = 0;
      for (; t + 5 <= n; t += 5) weight_row<T, Outputs, 5>(loop, x, tap.data() + t, from, plane, to + t * lanes, step);
      for (; t + 3 <= n; t += 3) weight_row<T, Outputs, 3>(loop, x, tap.data() + t, from, plane, to + t * lanes, step);
      for (; t < n; ++t) weight_row<T, Outputs, 1>(loop, x, tap.data() + t, from, plane, to + t * lanes, step);
    };
    std::int64_t o = 0;
    for (; o + 4 <= outputs; o += 4) add.template operator()<4>(o);
    for (; o + 2 <= outputs; o += 2) add.template operator()<2>(o);
    for (; o < outputs; ++o) add.template operator()<1>(o);
  }

  void combine(const T* sums, std::int64_t pieces, std::int64_t size, T* dw) const {
    using V = Simd<T>;
    const auto blocks = std::int64_t(blocks_.size());
    parallel_for(g_.groups * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t group = i / blocks;
        const ChannelBlock& block = blocks_[std::size_t(i % blocks)];
        const T* from = sums + group * group_size_ + sums_[std::size_t(i % blocks)];
        T* to = dw + (group * g_.group_out() + block.first) * entries_;
        auto total = [&](std::int64_t at) {
          V s = V::load(from + at);
          for (std::int64_t p = 1; p < pieces; ++p) s = s + V::load(from + p * size + at);
          return s;
        };
        if (block.vectors == 0) {
          for (std::int64_t k = 0; k < block.count * entries_; ++k) to[k] = sum(total(k * V::size));
          continue;
        }
        for (std::int64_t e = 0; e < entries_; ++e)
          for (std::int64_t v = 0; v < block.vectors; ++v) {
            T lane[V::size];
            total((e * block.vectors + v) * V::size).store(lane);
            const std::int64_t n = std::min<std::int64_t>(V::size, block.count - v * V::size);
            for (std::int64_t o = 0; o < n; ++o) to[(v * V::size + o) * entries_ + e] = lane[o];
          }
      }
    });
  }

  ConvGeometry g_;
  detail::TapPlan plan_;
  std::vector<ChannelBlock> blocks_;
  std::vector<std::int64_t> sums_;  // where a block's sums begin in those of a group
  std::int64_t group_size_ = 0, entries_ = 0;
};

}  // namespace tenzo::cpu
