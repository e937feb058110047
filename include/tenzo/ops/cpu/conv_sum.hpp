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
    const std::int64_t first = row.first(), rows = row.last() - first, cols = col.last() - col.first();

    const std::int64_t row_bytes = std::int64_t(sizeof(T)) * plan_.sources * (cols + 2) * col.in_scale * row.in_scale;
    std::int64_t band = std::clamp<std::int64_t>(band_bytes / std::max<std::int64_t>(1, row_bytes), 1, rows);
    // An image alone may have too few pixels to fill the tiles, or to pay for reading the weights.
    const auto blocks = std::int64_t(blocks_.size());
    std::int64_t images = std::clamp<std::int64_t>(256 / (rows * cols), 1, plan_.batch);
    if (group_size_ * std::int64_t(sizeof(T)) > 2 * band_bytes)
      images =
          std::clamp<std::int64_t>(band_bytes / (rows * std::max<std::int64_t>(1, row_bytes)), images, plan_.batch);
    while (images > 1 && (plan_.batch + images - 1) / images * plan_.groups * blocks < 16) images = (images + 1) / 2;
    const std::int64_t image_units = (plan_.batch + images - 1) / images;
    if (image_units * plan_.groups * blocks < 16)
      band = std::min(band, (rows * image_units * plan_.groups * blocks + 15) / 16);
    const std::int64_t bands = (rows + band - 1) / band;
    const std::int64_t splits = std::clamp<std::int64_t>(16 / (image_units * plan_.groups * bands), 1, blocks);

    auto unit = [&](std::int64_t i) {
      Unit u;
      u.split = i % splits, u.splits = splits;
      u.j0 = first + i / splits % bands * band, u.j1 = std::min(first + rows, u.j0 + band);
      u.group = i / splits / bands % plan_.groups;
      u.image0 = i / splits / bands / plan_.groups * images, u.image1 = std::min(plan_.batch, u.image0 + images);
      return u;
    };
    const std::int64_t units = image_units * plan_.groups * bands * splits;
    parallel_for(units, std::max<std::int64_t>(1, units / (8 * threads())), [&](std::int64_t begin, std::int64_t end) {
      Work work(images * plan_.sources * (Window(row, col, first, first + band).plane + Window::spread) + beyond);
      for (std::int64_t i = begin; i < end; ++i) {
        work.ahead.clear();
        if (i + 1 < end && (i + 1) % splits == 0) look_ahead(unit(i + 1), source, work.ahead);
        compute(unit(i), source, bias, out, work);
      }
    });
  }

 private:
  static constexpr std::int64_t band_bytes = 1 << 19;  // what a thread reads again and again stays in its L2 cache

  /// The weights of one block of channels for one pair of phases.
  struct Part {
    const detail::AxisPhase *row, *col;
    ChannelBlock block;
    std::int64_t weights = 0;  // where they begin in a group's packed weights
  };
  struct Unit {
    std::int64_t image0, image1, group, j0, j1, split, splits;
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

  /// The part of the source that a unit will read.
  void look_ahead(const Unit& u, const T* source, Prefetch& ahead) const {
    const Window window(plan_.row, plan_.col, u.j0, u.j1);
    const std::int64_t row0 = std::max<std::int64_t>(0, window.first_row);
    const std::int64_t row1 =
        std::min(plan_.source_size.h, window.first_row + (window.rows - 1) * window.row_stride + 1);
    const std::int64_t width = plan_.source_size.w, plane = plan_.source_size.h * width;
    for (std::int64_t n = u.image0; n < u.image1; ++n)
      ahead.add(source + (n * plan_.groups + u.group) * plan_.sources * plane + row0 * width, plan_.sources,
                (row1 - row0) * width, plane);
  }

  void compute(const Unit& u, const T* source, const T* bias, T* out, Work& work) const {
    const Window window(plan_.row, plan_.col, u.j0, u.j1);
    const std::int64_t images = u.image1 - u.image0, image_size = plan_.sources * window.plane;
    T* const copy = work.window.data();
    TapLoop& loop = work.loop;
    std::vector<Span<T>>& rows = work.rows;
    const std::int64_t channel = plan_.source_size.h * plan_.source_size.w;
    for (std::int64_t n = 0; n < images; ++n)
      fill_window(window, source + ((u.image0 + n) * plan_.groups + u.group) * plan_.sources * channel, plan_.sources,
                  plan_.source_size, copy + n * image_size);

    TileStage<T> stage(work.buffer.data(), work.ahead);
    loop.sources = plan_.sources, loop.plane = window.plane;
    loop.out_plane = plan_.out_size.h * plan_.out_size.w, loop.out_step = plan_.col.out_scale;
    const auto blocks = std::int64_t(blocks_.size());
    for (std::int64_t p = 0; p < std::int64_t(parts_.size()); ++p) {
      const Part& part = parts_[std::size_t(p)];
      const std::int64_t j0 = std::max(u.j0, part.row->first), j1 = std::min(u.j1, part.row->last);
      const std::int64_t pixels = part.col->last - part.col->first;
      if (p % blocks == 0) {  // a new pair of phases
        rows.clear();
        set_taps(loop, window, part);
        for (std::int64_t n = 0; n < images; ++n)
          for (std::int64_t j = j0; j < j1; ++j) {
            const T* from = copy + n * image_size + (j - u.j0) * window.row_step * window.pitch() + part.col->first -
                            plan_.col.first();
            T* to = out + ((u.image0 + n) * plan_.groups + u.group) * plan_.outputs * loop.out_plane +
                    (j * plan_.row.out_scale + part.row->out_offset) * plan_.out_size.w +
                    part.col->first * plan_.col.out_scale + part.col->out_offset;
            rows.push_back({from, to});
          }
      }
      if (p == 0) {
        std::int64_t steps = 0;
        for (const Part& q : parts_)
          steps += q.block.vectors ? TileStage<T>::steps(loop, q.block, std::int64_t(rows.size()) * pixels)
                                   : line_steps<T>(loop, q.block.count, std::int64_t(rows.size()), pixels);
        work.ahead.spread(steps / u.splits);
      }
      if (p % blocks % u.splits != u.split) continue;
      const T* weight = packed_.data() + u.group * group_size_ + part.weights;
      const T* b = bias ? bias + u.group * plan_.outputs + part.block.first : nullptr;
      work.block_rows = rows;
      for (Span<T>& r : work.block_rows) r.out += part.block.first * loop.out_plane;
      if (part.block.vectors) stage.run(loop, part.block, weight, work.block_rows, pixels, b);
      else run_lines(loop, part.block.count, weight, work.block_rows, pixels, b, work.ahead);
    }
  }

  void set_taps(TapLoop& loop, const Window& window, const Part& part) const {
    loop.tap.clear(), loop.run.clear();
    for (std::int64_t a : part.row->offset)
      for (std::int64_t b : part.col->offset) loop.tap.push_back(window.tap(plan_.row, plan_.col, a, b));
    const auto taps = std::max<std::int64_t>(1, std::int64_t(loop.tap.size()));
    loop.run_sources = std::clamp<std::int64_t>(256 / taps, 1, plan_.sources);
    for (std::int64_t c = 0; c < loop.run_sources; ++c)
      for (std::int64_t t : loop.tap) loop.run.push_back(c * window.plane + t);
  }

  static constexpr std::int64_t beyond = 2 * Simd<T>::size;  // that kernels may read or write

  detail::TapPlan plan_;
  std::vector<ChannelBlock> blocks_;
  std::vector<Part> parts_;
  std::int64_t group_size_ = 0;
  Scratch<T> packed_;
};

}  // namespace tenzo::cpu
