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
#include "tenzo/ops/cpu/conv_weight_tile.hpp"
#include "tenzo/ops/cpu/conv_window.hpp"
#include "tenzo/ops/cpu/scratch.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

namespace tenzo::cpu {

template <Real T>
class WeightGradient {
 public:
  explicit WeightGradient(const ConvGeometry& g)
      : g_(g),
        plan_(detail::forward_plan(g)),
        blocks_(channel_blocks<T>(g.group_out(), channels_in_vectors<T>(g.group_out()))),
        entries_(g.group_in() * g.taps()) {
    for (const ChannelBlock& b : blocks_) {
      sums_.push_back(group_size_);
      group_size_ += entries_ * lanes_of(b);
    }
    sums_.push_back(group_size_);
    // A unit's window and its gradients stay in the L2 cache; images of few pixels go together.
    const std::int64_t rows = std::max<std::int64_t>(1, g.out_size.h), pixels = rows * g.out_size.w;
    const std::int64_t row_bytes =
        std::int64_t(sizeof(T)) * g.out_size.w * (g.group_in() * g.stride.h * g.stride.w + 2 * Simd<T>::size);
    band_ = std::clamp<std::int64_t>(unit_bytes / std::max<std::int64_t>(1, row_bytes), 1, rows);
    bands_ = (rows + band_ - 1) / band_;
    images_ = std::clamp<std::int64_t>(256 / std::max<std::int64_t>(1, pixels), 1, std::max<std::int64_t>(1, g.batch));
    units_ = (g.batch + images_ - 1) / images_ * bands_;
    const std::int64_t most = std::max<std::int64_t>(1, most_sums / std::max<std::int64_t>(1, group_size_ * g.groups));
    pieces_ = std::clamp<std::int64_t>(std::min({g.batch * pixels / piece_pixels, units_, most}), 1, 16);
  }

  /// Writes all of dw.
  void run(const T* x, const T* dy, T* dw) const {
    const std::int64_t size = group_size_ * g_.groups;
    if (size == 0) return;
    const auto blocks = std::int64_t(blocks_.size());
    const std::int64_t splits =
        std::clamp<std::int64_t>(std::max(blocks / 4, 2 * threads() / (pieces_ * g_.groups)), 1, blocks);
    const Scratch<T> sums(pieces_ * size);
    parallel_for(pieces_ * g_.groups * splits, 1, [&](std::int64_t begin, std::int64_t end) {
      Work work(images_ * g_.group_in() * (Window(plan_.row, plan_.col, 0, band_).plane + Window::spread),
                images_ * band_ * g_.out_size.w);
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t piece = i / splits / g_.groups, group = i / splits % g_.groups, split = i % splits;
        const std::int64_t block0 = split * blocks / splits, block1 = (split + 1) * blocks / splits;
        T* sum = sums.data() + piece * size + group * group_size_;
        std::fill(sum + sums_[std::size_t(block0)], sum + sums_[std::size_t(block1)], T(0));
        for (std::int64_t u = piece * units_ / pieces_, end_u = (piece + 1) * units_ / pieces_; u < end_u; ++u) {
          work.ahead.clear();
          if (u + 1 < end_u) look_ahead(u + 1, group, block0, block1, x, dy, work.ahead);
          add_unit(u, group, block0, block1, x, dy, sum, work);
        }
      }
    });
    combine(sums.data(), size, dw);
  }

 private:
  static constexpr std::int64_t unit_bytes = 1 << 19, piece_pixels = 512, most_sums = 1 << 24;

  /// Taps that are neighbours in the window: the first one's offset, and its place among the weights of a channel.
  struct Run {
    std::int64_t offset, entry;
  };
  /// What a thread works with.
  struct Work {
    Work(std::int64_t window_size, std::int64_t pixels)
        : window(window_size + Simd<T>::size), by_pixel(pixels * block_vectors * Simd<T>::size) {}
    Scratch<T> window, by_pixel;
    Prefetch ahead;
    std::vector<std::int64_t> tap;
    std::vector<Run> threes, ones;
  };

  static std::int64_t lanes_of(const ChannelBlock& b) {
    return b.vectors ? b.template width<T>() : b.count * Simd<T>::size;
  }

  /// The images and the rows of outputs of a unit.
  struct Extent {
    std::int64_t image0, images, row0, rows;
  };
  Extent extent(std::int64_t unit) const {
    const std::int64_t image0 = unit / bands_ * images_, row0 = unit % bands_ * band_;
    return {image0, std::min(images_, g_.batch - image0), row0, std::min(band_, g_.out_size.h - row0)};
  }
  const T* image_of_x(const T* x, std::int64_t n, std::int64_t group) const {
    return x + (n * g_.in + group * g_.group_in()) * g_.in_plane();
  }
  const T* image_of_dy(const T* dy, std::int64_t n, std::int64_t group, std::int64_t channel) const {
    return dy + (n * g_.out + group * g_.group_out() + channel) * g_.out_plane();
  }

  void look_ahead(std::int64_t unit, std::int64_t group, std::int64_t block0, std::int64_t block1, const T* x,
                  const T* dy, Prefetch& ahead) const {
    const Extent e = extent(unit);
    const Window window(plan_.row, plan_.col, e.row0, e.row0 + e.rows);
    const std::int64_t row0 = std::max<std::int64_t>(0, window.first_row);
    const std::int64_t row1 = std::min(g_.in_size.h, window.first_row + (window.rows - 1) * window.row_stride + 1);
    const ChannelBlock &first = blocks_[std::size_t(block0)], &last = blocks_[std::size_t(block1 - 1)];
    std::int64_t steps = 0;
    for (std::int64_t n = e.image0; n < e.image0 + e.images; ++n) {
      ahead.add(image_of_x(x, n, group) + row0 * g_.in_size.w, g_.group_in(), (row1 - row0) * g_.in_size.w,
                g_.in_plane());
      ahead.add(image_of_dy(dy, n, group, first.first) + e.row0 * g_.out_size.w, last.first + last.count - first.first,
                e.rows * g_.out_size.w, g_.out_plane());
    }
    for (std::int64_t b = block0; b < block1; ++b) steps += entries_ * blocks_[std::size_t(b)].vectors / 24;
    ahead.spread(steps * images_ * band_);
  }

  void add_unit(std::int64_t unit, std::int64_t group, std::int64_t block0, std::int64_t block1, const T* x,
                const T* dy, T* sum, Work& work) const {
    const Extent e = extent(unit);
    const Window window(plan_.row, plan_.col, e.row0, e.row0 + e.rows);
    const std::int64_t image_size = g_.group_in() * window.plane, pixels = e.rows * g_.out_size.w;
    T* const copy = work.window.data();
    for (std::int64_t n = 0; n < e.images; ++n)
      fill_window(window, image_of_x(x, e.image0 + n, group), g_.group_in(), g_.in_size, copy + n * image_size);
    find_runs(window, work);
    PixelLoop loop{.images = e.images,
                   .rows = e.rows,
                   .cols = g_.out_size.w,
                   .x_image = image_size,
                   .x_row = window.row_step * window.pitch(),
                   .dy_image = g_.out * g_.out_plane()};
    for (std::int64_t b = block0; b < block1; ++b) {
      const ChannelBlock& block = blocks_[std::size_t(b)];
      const T* from = image_of_dy(dy, e.image0, group, block.first) + e.row0 * g_.out_size.w;
      T* to = sum + sums_[std::size_t(b)];
      if (block.vectors == 0) {
        for (std::int64_t c = 0; c < g_.group_in(); ++c)
          add_rows(loop, copy + c * window.plane, work.tap, from, block.count, to + c * g_.taps() * Simd<T>::size);
        continue;
      }
      const std::int64_t width = block.template width<T>();
      for (std::int64_t n = 0; n < e.images; ++n)
        copy_transposed(pixels, block.count, from + n * loop.dy_image, g_.out_plane(),
                        work.by_pixel.data() + n * pixels * width, width);
      for (std::int64_t i = 0; block.count < width && i < e.images * pixels; ++i)
        std::fill_n(work.by_pixel.data() + i * width + block.count, width - block.count, T(0));
      if (block.vectors == 1) add_runs<1>(loop, work, to);
      else add_runs<block_vectors>(loop, work, to);
    }
  }

  void find_runs(const Window& window, Work& work) const {
    work.tap.clear(), work.threes.clear(), work.ones.clear();
    for (std::int64_t a : plan_.row.phases[0].offset)
      for (std::int64_t b : plan_.col.phases[0].offset) work.tap.push_back(window.tap(plan_.row, plan_.col, a, b));
    const std::int64_t* tap = work.tap.data();
    for (std::int64_t c = 0; c < g_.group_in(); ++c)
      for (std::int64_t t = 0, n; t < g_.taps(); t += n) {
        const bool three = t % g_.kernel.w + 3 <= g_.kernel.w && tap[t + 1] == tap[t] + 1 && tap[t + 2] == tap[t] + 2;
        n = three ? 3 : 1;
        (three ? work.threes : work.ones).push_back({tap[t] + c * window.plane, c * g_.taps() + t});
      }
  }

  template <int Vectors>
  static void add_runs(const PixelLoop& loop, Work& work, T* sum) {
#if defined(TENZO_AVX512)
    constexpr int threes = 8 / Vectors, ones = 8;
#else
    constexpr int threes = 2, ones = 4;
#endif
    add_some<Vectors, 3, threes>(loop, work.threes, 0, work, sum);
    add_some<Vectors, 1, ones>(loop, work.ones, 0, work, sum);
  }

  /// Tiles of Runs runs, then of half as many, down to one.
  template <int Vectors, int Taps, int Runs>
  static void add_some(const PixelLoop& loop, const std::vector<Run>& runs, std::size_t i, Work& work, T* sum) {
    for (; i + Runs <= runs.size(); i += Runs) {
      std::int64_t offset[Runs];
      T* to[Runs];
      for (int r = 0; r < Runs; ++r) {
        offset[r] = runs[i + std::size_t(r)].offset;
        to[r] = sum + runs[i + std::size_t(r)].entry * Vectors * Simd<T>::size;
      }
      weight_tile<T, Vectors, Runs, Taps>(loop, work.window.data(), offset, work.by_pixel.data(), to, work.ahead);
    }
    if constexpr (Runs > 1) add_some<Vectors, Taps, Runs / 2>(loop, runs, i, work, sum);
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

  /// The pieces' sums added in their order, as [channel][entry].
  void combine(T* sums, std::int64_t size, T* dw) const {
    using V = Simd<T>;
    const auto blocks = std::int64_t(blocks_.size());
    parallel_for(g_.groups * blocks, std::max<std::int64_t>(1, 4096 / group_size_),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t group = i / blocks, b = i % blocks;
                     const ChannelBlock& block = blocks_[std::size_t(b)];
                     T* from = sums + group * group_size_ + sums_[std::size_t(b)];
                     T* to = dw + (group * g_.group_out() + block.first) * entries_;
                     const std::int64_t n = entries_ * lanes_of(block);
                     for (std::int64_t at = 0; at < n; at += V::size) {
                       V s = V::load(from + at);
                       for (std::int64_t p = 1; p < pieces_; ++p) s = s + V::load(from + p * size + at);
                       s.store(from + at);
                     }
                     if (block.vectors)
                       copy_transposed(block.count, entries_, from, block.template width<T>(), to, entries_);
                     else
                       for (std::int64_t k = 0; k < block.count * entries_; ++k)
                         to[k] = sum(V::load(from + k * V::size));
                   }
                 });
  }

  ConvGeometry g_;
  detail::TapPlan plan_;
  std::vector<ChannelBlock> blocks_;
  std::int64_t entries_ = 0;        // weights of an output channel
  std::vector<std::int64_t> sums_;  // where a block's sums begin in those of a group
  std::int64_t group_size_ = 0;
  std::int64_t band_ = 1, bands_ = 1, images_ = 1;  // rows of a unit, units of an image, images of a unit
  std::int64_t units_ = 0, pieces_ = 1;
};

}  // namespace tenzo::cpu
