// Runs a TapPlan: packs the weights, cuts the outputs into bands, copies what a band reads, and calls the kernels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/cpu/conv_blocks.hpp"
#include "tenzo/ops/cpu/conv_line.hpp"
#include "tenzo/ops/cpu/conv_plan.hpp"
#include "tenzo/ops/cpu/conv_stage.hpp"
#include "tenzo/ops/cpu/conv_tile.hpp"
#include "tenzo/ops/cpu/conv_units.hpp"
#include "tenzo/ops/cpu/conv_window.hpp"
#include "tenzo/ops/cpu/scratch.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

namespace tenzo::cpu {

template <Real T>
class TapSum {
 public:
  /// Copies the weights into the order in which the kernels read them.
  TapSum(const detail::TapPlan& plan, const T* weight)
      : plan_(plan),
        blocks_(channel_blocks<T>(plan.outputs, along_rows(plan) ? 0 : channels_in_vectors<T>(plan.outputs))),
        packed_(place_weights()) {
    parallel_for(std::int64_t(parts_.size()) * plan.groups, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t group = i / std::int64_t(parts_.size());
        const Part& part = parts_[std::size_t(i % std::int64_t(parts_.size()))];
        pack(part, weight + group * plan_.weight_group, packed_.data() + group * group_size_ + part.weights);
      }
    });
  }

  /// out = the sum over taps of source, + bias where it is not null; all of out is written.
  void run(const T* source, const T* bias, T* out) const {
    const detail::Axis &row = plan_.row, &col = plan_.col;
    if (plan_.batch == 0 || plan_.outputs == 0 || row.phases.empty() || col.phases.empty()) return;
    const TapUnits units(plan_, std::int64_t(blocks_.size()), group_size_ * std::int64_t(sizeof(T)), sizeof(T));
    const Window largest(row, col, row.first(), row.first() + units.rows());
    const std::int64_t window_size = units.images() * plan_.sources * (largest.plane + Window::spread) + beyond;
    const std::int64_t grain = std::max<std::int64_t>(1, units.count() / (8 * threads()));
    parallel_for(units.count(), grain, [&](std::int64_t begin, std::int64_t end) {
      Work work(window_size);
      for (std::int64_t i = begin; i < end; ++i) {
        work.ahead.clear();
        if (i + 1 < end && units[i + 1].split == 0) look_ahead(units[i + 1], source, work.ahead);
        compute(units[i], units.splits(), source, bias, out, work);
      }
    });
  }

 private:
  static constexpr std::int64_t beyond = 2 * Simd<T>::size;  // that kernels may read or write behind a window

  /// The weights of one block of channels for one pair of phases.
  struct Part {
    const detail::AxisPhase *row, *col;
    ChannelBlock block;
    std::int64_t weights = 0;  // where they begin in a group's packed weights
  };
  /// What a thread works with.
  struct Work {
    explicit Work(std::int64_t window_size) : window(window_size), buffer(TileStage<T>::buffer_size) {}
    Scratch<T> window, buffer;
    Prefetch ahead;
    TapLoop loop;
    std::vector<Span<T>> rows, block_rows;
  };

  /// Whether rows of outputs fill vectors of pixels well; they then need no transposition.
  static bool along_rows(const detail::TapPlan& plan) {
    bool all = plan.col.out_scale == 1;
    for (const auto& phase : plan.col.phases) {
      const std::int64_t n = phase.last - phase.first, vectors = (n + Simd<T>::size - 1) / Simd<T>::size;
      all = all && 10 * n >= 9 * vectors * Simd<T>::size;
    }
    return all;
  }

  std::int64_t place_weights() {
    for (const auto& r : plan_.row.phases)
      for (const auto& c : plan_.col.phases)
        for (const ChannelBlock& b : blocks_) {
          parts_.push_back({&r, &c, b, group_size_});
          group_size_ += std::int64_t(r.tap.size() * c.tap.size()) * plan_.sources * b.width<T>();
        }
    return group_size_ * plan_.groups;
  }

  void pack(const Part& part, const T* weight, T* to) const {
    const std::int64_t width = part.block.template width<T>(), count = part.block.count;
    const auto taps = std::int64_t(part.row->tap.size() * part.col->tap.size());
    const bool all = taps == plan_.kernel.h * plan_.kernel.w;
    for (std::int64_t c = 0; c < plan_.sources; ++c, to += taps * width) {
      const T* from = weight + part.block.first * plan_.weight_output + c * plan_.weight_source;
      if (all) copy_transposed(taps, count, from, plan_.weight_output, to, width);
      for (std::int64_t i = 0; i < taps; ++i) {
        const auto columns = std::int64_t(part.col->tap.size());
        const T* tap =
            from + part.row->tap[std::size_t(i / columns)] * plan_.kernel.w + part.col->tap[std::size_t(i % columns)];
        for (std::int64_t o = 0; !all && o < count; ++o) to[i * width + o] = tap[o * plan_.weight_output];
        for (std::int64_t o = count; o < width; ++o) to[i * width + o] = T(0);
      }
    }
  }

  const T* source_image(const T* source, std::int64_t n, std::int64_t group) const {
    return source + (n * plan_.groups + group) * plan_.sources * plan_.source_size.h * plan_.source_size.w;
  }

  /// The part of the source that a unit will read.
  void look_ahead(const TapUnit& u, const T* source, Prefetch& ahead) const {
    const Window window(plan_.row, plan_.col, u.row0, u.row1);
    const Size2 size = plan_.source_size;
    const std::int64_t row0 = std::max<std::int64_t>(0, window.first_row);
    const std::int64_t row1 = std::min(size.h, window.first_row + (window.rows - 1) * window.row_stride + 1);
    for (std::int64_t n = u.image0; n < u.image1; ++n)
      ahead.add(source_image(source, n, u.group) + row0 * size.w, plan_.sources, (row1 - row0) * size.w,
                size.h * size.w);
  }

  void compute(const TapUnit& u, std::int64_t splits, const T* source, const T* bias, T* out, Work& work) const {
    const Window window(plan_.row, plan_.col, u.row0, u.row1);
    const std::int64_t image_size = plan_.sources * window.plane;
    for (std::int64_t n = u.image0; n < u.image1; ++n)
      fill_window(window, source_image(source, n, u.group), plan_.sources, plan_.source_size,
                  work.window.data() + (n - u.image0) * image_size);

    TapLoop& loop = work.loop;
    loop.sources = plan_.sources, loop.plane = window.plane;
    loop.out_plane = plan_.out_size.h * plan_.out_size.w, loop.out_step = plan_.col.out_scale;
    TileStage<T> stage(work.buffer.data(), work.ahead);
    const auto blocks = std::int64_t(blocks_.size());
    for (std::int64_t p = 0; p < std::int64_t(parts_.size()); ++p) {
      const Part& part = parts_[std::size_t(p)];
      if (p % blocks == 0) {  // a new pair of phases
        set_taps(window, part, loop);
        find_rows(u, window, part, out, work);
      }
      const std::int64_t pixels = part.col->last - part.col->first;
      if (p == 0) work.ahead.spread(steps(loop, std::int64_t(work.rows.size()), pixels) / splits);
      if (p % blocks % splits != u.split) continue;
      const TapBlock<T> block{loop, part.block, packed_.data() + u.group * group_size_ + part.weights,
                              bias ? bias + u.group * plan_.outputs + part.block.first : nullptr};
      work.block_rows = work.rows;
      for (Span<T>& r : work.block_rows) r.out += part.block.first * loop.out_plane;
      if (part.block.vectors) stage.run(block, work.block_rows, pixels);
      else run_lines(block, work.block_rows, pixels, work.ahead);
    }
  }

  /// Where the rows of outputs of a unit and a pair of phases begin, in the window and in the group's first channel.
  void find_rows(const TapUnit& u, const Window& window, const Part& part, T* out, Work& work) const {
    const std::int64_t row0 = std::max(u.row0, part.row->first), row1 = std::min(u.row1, part.row->last);
    const std::int64_t column = part.col->first * plan_.col.out_scale + part.col->out_offset;
    work.rows.clear();
    for (std::int64_t n = u.image0; n < u.image1; ++n) {
      const T* from = work.window.data() + (n - u.image0) * plan_.sources * window.plane;
      T* to = out + (n * plan_.groups + u.group) * plan_.outputs * plan_.out_size.h * plan_.out_size.w;
      for (std::int64_t j = row0; j < row1; ++j)
        work.rows.push_back(
            {from + (j - u.row0) * window.row_step * window.pitch() + part.col->first - plan_.col.first(),
             to + (j * plan_.row.out_scale + part.row->out_offset) * plan_.out_size.w + column});
    }
  }

  std::int64_t steps(const TapLoop& loop, std::int64_t rows, std::int64_t pixels) const {
    std::int64_t n = 0;
    for (const Part& p : parts_)
      n += p.block.vectors ? TileStage<T>::steps(loop, p.block, rows * pixels)
                           : line_steps<T>(loop, p.block.count, rows, pixels);
    return n;
  }

  void set_taps(const Window& window, const Part& part, TapLoop& loop) const {
    loop.tap.clear(), loop.run.clear();
    for (std::int64_t a : part.row->offset)
      for (std::int64_t b : part.col->offset) loop.tap.push_back(window.tap(plan_.row, plan_.col, a, b));
    const auto taps = std::max<std::int64_t>(1, std::int64_t(loop.tap.size()));
    loop.run_sources = std::max<std::int64_t>(1, std::min(256 / taps, plan_.sources));
    for (std::int64_t c = 0; c < loop.run_sources; ++c)
      for (std::int64_t t : loop.tap) loop.run.push_back(c * window.plane + t);
  }

  detail::TapPlan plan_;
  std::vector<ChannelBlock> blocks_;
  std::vector<Part> parts_;
  std::int64_t group_size_ = 0;
  Scratch<T> packed_;
};

}  // namespace tenzo::cpu
