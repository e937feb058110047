// The sizes of a 2-D pooling.
#pragma once

#include <cstdint>

#include "tenzo/core/error.hpp"
#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo {

/// What pooling is told besides its operand. Padding counts as smaller than all numbers for the largest, and as zeros
/// for the mean; `count_include_pad` tells whether those zeros count among what the mean divides by.
struct PoolSettings {
  Size2 kernel{2, 2}, stride{2, 2};
  Size2 padding{0, 0};
  Size2 dilation{1, 1};  // of the largest only
  bool count_include_pad = true;
};

struct PoolGeometry : PoolSettings {
  std::int64_t planes = 0;
  Size2 in_size, out_size;

  std::int64_t in_plane() const { return in_size.h * in_size.w; }
  std::int64_t out_plane() const { return out_size.h * out_size.w; }
};

/// The sizes of a pooling called `name`.
///   Throws ShapeError where the window does not fit, ValueError for a stride or dilation below 1, or a padding beyond
///   half of the window (a window could then lie outside altogether).
inline PoolGeometry pool_geometry(const char* name, std::int64_t planes, Size2 in_size, const PoolSettings& settings) {
  PoolGeometry g;
  static_cast<PoolSettings&>(g) = settings;
  ConvSettings checked;
  checked.stride = g.stride, checked.padding = g.padding, checked.dilation = g.dilation;
  detail::check_settings(name, checked);
  g.planes = planes, g.in_size = in_size;
  g.out_size.h = conv_output_size(name, in_size.h, g.kernel.h, g.stride.h, g.padding.h, g.dilation.h);
  g.out_size.w = conv_output_size(name, in_size.w, g.kernel.w, g.stride.w, g.padding.w, g.dilation.w);
  const Size2 span{g.dilation.h * (g.kernel.h - 1) + 1, g.dilation.w * (g.kernel.w - 1) + 1};
  require(2 * g.padding.h <= span.h && 2 * g.padding.w <= span.w, name, ": padding is (", g.padding.h, ", ",
          g.padding.w, "), the window spans (", span.h, ", ", span.w, "); want a padding of at most half of that");
  return g;
}

}  // namespace tenzo
