// Elements of stacks of planes: images, channel by channel.
#pragma once

#include <cstdint>

#include "device.hpp"
#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo::cuda::detail {

/// Lengths along an axis, and positions on it, are 32 bits wide in kernels, and so are sums of four; offsets are 64.
inline int axis_length(std::int64_t n) {
  expect(n < (std::int64_t(1) << 29), "an image of ", n, " elements along an axis; want less than 2^29 on a GPU");
  return int(n);
}

/// Two lengths as kernels take them.
struct Extent2 {
  int h, w;
  explicit Extent2(Size2 s) : h(axis_length(s.h)), w(axis_length(s.w)) {}

  TENZO_DEVICE std::int64_t plane() const { return std::int64_t(h) * w; }
  TENZO_DEVICE std::int64_t offset(int row, int column) const { return std::int64_t(row) * w + column; }
};

/// Where element i of a stack of planes is.
struct PlaneElement {
  std::int64_t plane;
  int row, column;

  TENZO_DEVICE PlaneElement(std::int64_t i, const Extent2& size) {
    const std::int64_t line = i / size.w;
    plane = line / size.h;
    row = int(line - plane * size.h);
    column = int(i - line * size.w);
  }
};

}  // namespace tenzo::cuda::detail
