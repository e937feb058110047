// A convolution and its gradient by the input as one thing: sums over taps, seen along each axis.
//
// Along one axis every output index is  out_scale j + out_offset  and reads the source at  in_scale j + offset[t]  for
// its taps t. A convolution has one phase of outputs, in_scale = stride. Its gradient by the input has `stride`
// phases, out_scale = stride, and in_scale = 1: the outputs whose distance to a tap divides by the stride.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo::detail {

/// Outputs that share their taps.
struct AxisPhase {
  std::vector<std::int64_t> tap, offset;  // index in the kernel, ascending; source index at j = 0
  std::int64_t first = 0, last = 0;       // j in [first, last)
  std::int64_t out_offset = 0;
};

struct Axis {
  std::int64_t in_scale = 1, out_scale = 1;
  std::vector<AxisPhase> phases;

  std::int64_t first() const {
    std::int64_t j = phases[0].first;
    for (const AxisPhase& p : phases) j = std::min(j, p.first);
    return j;
  }
  std::int64_t last() const {
    std::int64_t j = phases[0].last;
    for (const AxisPhase& p : phases) j = std::max(j, p.last);
    return j;
  }
  std::int64_t min_offset() const {
    return extreme([](auto a, auto b) { return std::min(a, b); });
  }
  std::int64_t max_offset() const {
    return extreme([](auto a, auto b) { return std::max(a, b); });
  }
  /// Distance of neighbouring source elements that any tap reads at all.
  std::int64_t source_stride() const { return min_offset() == max_offset() ? in_scale : 1; }

 private:
  template <class F>
  std::int64_t extreme(F pick) const {
    bool any = false;
    std::int64_t r = 0;
    for (const AxisPhase& p : phases)
      for (std::int64_t o : p.offset) r = any ? pick(r, o) : o, any = true;
    return r;
  }
};

/// y[j] reads x[stride j + dilation t - padding].
inline Axis forward_axis(std::int64_t out, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                         std::int64_t dilation) {
  AxisPhase phase{.tap = {}, .offset = {}, .first = 0, .last = out, .out_offset = 0};
  for (std::int64_t t = 0; t < kernel; ++t) phase.tap.push_back(t), phase.offset.push_back(dilation * t - padding);
  return {.in_scale = stride, .out_scale = 1, .phases = {phase}};
}

/// dx[i] reads dy[(i + padding - dilation t) / stride] for the taps t that divide.
inline Axis adjoint_axis(std::int64_t in, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                         std::int64_t dilation) {
  auto floor_div = [](std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); };
  Axis axis{.in_scale = 1, .out_scale = stride, .phases = {}};
  for (std::int64_t r = 0; r < stride; ++r) {  // i + padding = r + stride j
    AxisPhase phase{.tap = {}, .offset = {}, .first = 0, .last = 0, .out_offset = r - padding};
    for (std::int64_t t = 0; t < kernel; ++t)
      if ((r - dilation * t) % stride == 0) phase.tap.push_back(t), phase.offset.push_back((r - dilation * t) / stride);
    phase.first = floor_div(padding - r + stride - 1, stride);
    phase.last = std::max(phase.first, floor_div(in - 1 + padding - r, stride) + 1);
    if (phase.first < phase.last) axis.phases.push_back(phase);
  }
  return axis;
}

/// A sum over taps: out[n][o][·] = Σ_{c, t} weight(o, c, t) source[n][c][·], channels counted within a group.
struct TapPlan {
  Axis row, col;
  std::int64_t batch = 0, groups = 1;
  std::int64_t sources = 0, outputs = 0;  // channels of a group
  Size2 source_size, out_size, kernel;
  std::int64_t weight_source = 0, weight_output = 0;  // distance in the weights from one such channel to the next
  std::int64_t weight_group = 0;
};

inline TapPlan forward_plan(const ConvGeometry& g) {
  TapPlan p;
  p.row = forward_axis(g.out_size.h, g.kernel.h, g.stride.h, g.padding.h, g.dilation.h);
  p.col = forward_axis(g.out_size.w, g.kernel.w, g.stride.w, g.padding.w, g.dilation.w);
  p.batch = g.batch, p.groups = g.groups, p.sources = g.group_in(), p.outputs = g.group_out();
  p.source_size = g.in_size, p.out_size = g.out_size, p.kernel = g.kernel;
  p.weight_source = g.taps(), p.weight_output = g.group_in() * g.taps();
  p.weight_group = g.group_out() * g.group_in() * g.taps();
  return p;
}

inline TapPlan adjoint_plan(const ConvGeometry& g) {
  TapPlan p;
  p.row = adjoint_axis(g.in_size.h, g.kernel.h, g.stride.h, g.padding.h, g.dilation.h);
  p.col = adjoint_axis(g.in_size.w, g.kernel.w, g.stride.w, g.padding.w, g.dilation.w);
  p.batch = g.batch, p.groups = g.groups, p.sources = g.group_out(), p.outputs = g.group_in();
  p.source_size = g.out_size, p.out_size = g.in_size, p.kernel = g.kernel;
  p.weight_source = g.group_in() * g.taps(), p.weight_output = g.taps();
  p.weight_group = g.group_out() * g.group_in() * g.taps();
  return p;
}

}  // namespace tenzo::detail
