// How the outputs of a TapPlan are cut into units of work. Any cut gives the same bits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tenzo/ops/cpu/conv_plan.hpp"

namespace tenzo::cpu {

/// Images [image0, image1) of a group, rows of outputs [row0, row1) (as the axis counts them), and of the blocks of
/// output channels every `splits`-th from `split` on.
struct TapUnit {
  std::int64_t image0, image1, group, row0, row1, split;
};

class TapUnits {
 public:
  /// What a thread reads again and again in a unit should stay in its L2 cache.
  static constexpr std::int64_t cache_bytes = 1 << 19;
  static constexpr std::int64_t wanted = 16;  // units, so that threads share them evenly

  TapUnits(const detail::TapPlan& plan, std::int64_t blocks, std::int64_t group_weight_bytes, std::int64_t size_of)
      : batch_(plan.batch), groups_(plan.groups), first_(plan.row.first()), rows_(plan.row.last() - first_) {
    const std::int64_t cols = plan.col.last() - plan.col.first();
    const std::int64_t row_bytes =
        std::max<std::int64_t>(1, size_of * plan.sources * (cols + 2) * plan.col.in_scale * plan.row.in_scale);
    // An image alone may have too few pixels to fill the tiles, or to pay for reading many weights.
    images_ = std::clamp<std::int64_t>(256 / (rows_ * cols), 1, batch_);
    if (group_weight_bytes > 2 * cache_bytes)
      images_ = std::clamp<std::int64_t>(cache_bytes / (rows_ * row_bytes), images_, batch_);
    while (images_ > 1 && image_units() * groups_ * blocks < wanted) images_ = (images_ + 1) / 2;
    band_ = std::clamp<std::int64_t>(cache_bytes / row_bytes, 1, rows_);
    if (const std::int64_t n = image_units() * groups_ * blocks; n < wanted)
      band_ = std::min(band_, (rows_ * n + wanted - 1) / wanted);
    splits_ = std::clamp<std::int64_t>(wanted / (image_units() * groups_ * bands()), 1, blocks);
  }

  std::int64_t count() const { return image_units() * groups_ * bands() * splits_; }
  std::int64_t images() const { return images_; }  // of a unit, at most
  std::int64_t rows() const { return band_; }      // of a unit, at most
  std::int64_t splits() const { return splits_; }

  TapUnit operator[](std::int64_t i) const {
    const std::int64_t image = i / splits_ / bands() / groups_ * images_, row = first_ + i / splits_ % bands() * band_;
    return {.image0 = image,
            .image1 = std::min(batch_, image + images_),
            .group = i / splits_ / bands() % groups_,
            .row0 = row,
            .row1 = std::min(first_ + rows_, row + band_),
            .split = i % splits_};
  }

 private:
  std::int64_t image_units() const { return (batch_ + images_ - 1) / images_; }
  std::int64_t bands() const { return (rows_ + band_ - 1) / band_; }

  std::int64_t batch_, groups_, first_, rows_;
  std::int64_t images_ = 1, band_ = 1, splits_ = 1;
};

}  // namespace tenzo::cpu
