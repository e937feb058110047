// Sizes of a 2-D convolution: what goes in, what comes out, and the sentences for sizes that do not fit.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// A number for the height and one for the width.
struct Size2 {
  std::int64_t h = 0, w = 0;
  bool operator==(const Size2&) const = default;
};

/// What a 2-D convolution is told besides its operands.
struct ConvSettings {
  Size2 stride{1, 1};
  Size2 padding{0, 0};  // zeros on both sides
  Size2 dilation{1, 1};
  std::int64_t groups = 1;
};

/// All sizes of y = conv2d(x, w):  x (batch, in, in_size), w (out, in / groups, kernel), y (batch, out, out_size).
struct ConvGeometry : ConvSettings {
  std::int64_t batch = 0, in = 0, out = 0;
  Size2 in_size, kernel, out_size;

  std::int64_t group_in() const { return in / groups; }
  std::int64_t group_out() const { return out / groups; }
  std::int64_t taps() const { return kernel.h * kernel.w; }
  std::int64_t in_plane() const { return in_size.h * in_size.w; }
  std::int64_t out_plane() const { return out_size.h * out_size.w; }
  /// Multiplications with a partner inside or outside the image; two floating-point operations each.
  std::int64_t multiplications() const { return batch * out * out_plane() * group_in() * taps(); }
};

namespace detail {

inline std::string shape_text(const std::array<std::int64_t, 4>& s) {
  return cat("(", s[0], ", ", s[1], ", ", s[2], ", ", s[3], ")");
}

inline void check_settings(const char* name, const ConvSettings& s) {
  require(s.stride.h > 0 && s.stride.w > 0, name, ": stride is (", s.stride.h, ", ", s.stride.w, "); want at least 1");
  require(s.padding.h >= 0 && s.padding.w >= 0, name, ": padding is (", s.padding.h, ", ", s.padding.w,
          "); want at least 0");
  require(s.dilation.h > 0 && s.dilation.w > 0, name, ": dilation is (", s.dilation.h, ", ", s.dilation.w,
          "); want at least 1");
  require(s.groups > 0, name, ": groups is ", s.groups, "; want at least 1");
}

}  // namespace detail

/// Length of a convolution's or a pooling's output along one axis:
///   floor((input + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
///   Throws ShapeError where the kernel does not fit into the padded input.
inline std::int64_t conv_output_size(const char* name, std::int64_t input, std::int64_t kernel, std::int64_t stride,
                                     std::int64_t padding, std::int64_t dilation) {
  expect(kernel > 0, name, ": kernel size is ", kernel, "; want at least 1");
  const std::int64_t span = dilation * (kernel - 1) + 1, padded = input + 2 * padding;
  expect(span <= padded, name, ": kernel of ", kernel, " with dilation ", dilation, " spans ", span,
         ", the input padded to ", padded, "; want a span of at most the padded input");
  return (padded - span) / stride + 1;
}

/// The sizes of conv2d with x (batch, in, h, w) and weights (out, in / groups, kh, kw).
///   Throws ShapeError where they do not fit, ValueError for a stride, dilation or number of groups below 1.
inline ConvGeometry conv_geometry(const std::array<std::int64_t, 4>& x, const std::array<std::int64_t, 4>& weight,
                                  const ConvSettings& settings) {
  const char* name = "conv2d";
  detail::check_settings(name, settings);
  const std::int64_t groups = settings.groups;
  expect(x[1] % groups == 0 && weight[0] % groups == 0 && weight[1] == x[1] / groups, name, ": x is ",
         detail::shape_text(x), ", weight is ", detail::shape_text(weight), ", groups is ", groups,
         "; want x (n, groups c, h, w) and weight (groups o, c, kh, kw)");
  ConvGeometry g;
  static_cast<ConvSettings&>(g) = settings;
  g.batch = x[0], g.in = x[1], g.out = weight[0];
  g.in_size = {x[2], x[3]}, g.kernel = {weight[2], weight[3]};
  g.out_size.h = conv_output_size(name, x[2], weight[2], g.stride.h, g.padding.h, g.dilation.h);
  g.out_size.w = conv_output_size(name, x[3], weight[3], g.stride.w, g.padding.w, g.dilation.w);
  return g;
}

/// The sizes of the convolution whose gradient by the input is conv_transpose2d(x, weight):
///   x (batch, c, h, w) is its output, weight (c, o / groups, kh, kw) its weights, the result (batch, o, h', w') with
///   h' = (h - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1 its input.
inline ConvGeometry conv_transpose_geometry(const std::array<std::int64_t, 4>& x,
                                            const std::array<std::int64_t, 4>& weight, const ConvSettings& settings,
                                            Size2 output_padding) {
  const char* name = "conv_transpose2d";
  detail::check_settings(name, settings);
  expect(x[1] % settings.groups == 0 && weight[0] == x[1], name, ": x is ", detail::shape_text(x), ", weight is ",
         detail::shape_text(weight), ", groups is ", settings.groups,
         "; want x (n, c, h, w) and weight (c, o / groups, kh, kw)");
  expect(weight[2] > 0 && weight[3] > 0, name, ": weight is ", detail::shape_text(weight),
         "; want kernel sizes of at least 1");
  auto size = [&](std::int64_t n, std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t dilation,
                  std::int64_t extra) {
    require(0 <= extra && extra < std::max(stride, dilation), name, ": output padding is ", extra,
            "; want at least 0 and less than the stride or the dilation");
    const std::int64_t length = (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1;
    expect(n > 0 && length > 0, name, ": an input of ", n, " gives an output of ", length, "; want at least 1");
    return length;
  };
  ConvGeometry g;
  static_cast<ConvSettings&>(g) = settings;
  g.batch = x[0], g.in = weight[1] * settings.groups, g.out = x[1];
  g.kernel = {weight[2], weight[3]}, g.out_size = {x[2], x[3]};
  g.in_size.h = size(x[2], weight[2], g.stride.h, g.padding.h, g.dilation.h, output_padding.h);
  g.in_size.w = size(x[3], weight[3], g.stride.w, g.padding.w, g.dilation.w, output_padding.w);
  return g;
}

}  // namespace tenzo
