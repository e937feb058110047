// A residual U-Net: convolutions at several scales, finer ones beside what comes up from the coarser.
//   Source  Ronneberger, Fischer, Brox 2015; with means for pooling and norms of each channel as in fastMRI's baseline.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/ops/channel_norm.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

struct UNetConfig {
  std::int64_t channels = 2, width = 32;  // of images, and at the finest scale; each coarser one has twice as many
  std::int64_t levels = 3;                // scales below the finest
  bool norm = true;                       // each channel of an image to mean zero and variance one
  bool residual = true;                   // x + net(x), else net(x)
  double slope = 0.2;                     // of rectifiers below zero
};

/// Two times [conv 3 x 3, norm, leaky relu].
template <class V>
struct UNetPair {
  Conv2d<V> conv1, conv2;

  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...);
    f("conv2", self.conv2...);
  }
  template <Value X>
  X operator()(const X& x, const UNetConfig& c) const {
    return after(conv2(after(conv1(x), c)), c);
  }

 private:
  template <Value X>
  static X after(const X& h, const UNetConfig& c) {
    return leaky_relu(c.norm ? group_norm(h, h.shape()[1], X{}, X{}) : h, c.slope);
  }
};

/// Leaves are named "down.0.conv1.weight", "bottom.conv1.weight", "up.0.weight" (of the coarsest),
/// "join.0.conv1.weight", "out.weight".
template <class V>
struct UNet {
  UNetConfig config;
  std::vector<UNetPair<V>> down;
  UNetPair<V> bottom;
  std::vector<Conv2d<V>> up;  // transposed, 2 x 2 with stride 2: (in, out, 2, 2)
  std::vector<UNetPair<V>> join;
  Conv2d<V> out;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("down", self.down...);
    f("bottom", self.bottom...);
    f("up", self.up...);
    f("join", self.join...);
    f("out", self.out...);
  }

  /// Images of any size: zeros below and to the right bring them to a multiple of the coarsest pixel, and are cut off.
  template <Value X>
  auto operator()(const X& images) const {  // (n, channels, h, w) -> the same
    using Y = promote_t<X, V>;
    const Shape& s = images.shape();
    const std::int64_t unit = std::int64_t(1) << down.size();
    const auto missing = [&](std::int64_t n) { return (unit - n % unit) % unit; };
    const Y x = pad(lift<Y>(images), {{2, 0, missing(s[2])}, {3, 0, missing(s[3])}});
    std::vector<Y> beside;
    Y h = x;
    for (const UNetPair<V>& pair : down) {
      beside.push_back(h = pair(h, config));
      h = avg_pool2d(h, {.kernel = {2, 2}, .stride = {2, 2}});
    }
    h = bottom(h, config);
    for (std::size_t i = 0; i < join.size(); ++i) {
      h = conv_transpose2d(h, up[i].weight, up[i].bias, up[i].settings);
      h = join[i](concat(h, beside[join.size() - 1 - i], 1), config);
    }
    h = out(h);
    const Y y = config.residual ? add(x, h) : h;
    return slice(slice(y, 2, 0, s[2]), 3, 0, s[3]);
  }
};

/// Throws ValueError for sizes that are not positive.
inline UNet<Expected> unet_spec(const UNetConfig& c) {
  require(c.channels > 0 && c.width > 0 && c.levels >= 0 && c.levels < 16, "unet: ", c.levels, " levels of ", c.width,
          " channels for images of ", c.channels);
  const auto pair = [&](std::int64_t in, std::int64_t out) {
    UNetPair<Expected> p;
    p.conv1.weight = Shape{out, in, 3, 3};
    p.conv2.weight = Shape{out, out, 3, 3};
    if (!c.norm) p.conv1.bias = p.conv2.bias = Shape{out};  // a norm would take it out again
    p.conv1.settings.padding = p.conv2.settings.padding = {1, 1};
    return p;
  };
  UNet<Expected> m;
  m.config = c;
  std::int64_t in = c.channels;
  for (std::int64_t i = 0; i < c.levels; ++i) m.down.push_back(pair(in, c.width << i)), in = c.width << i;
  m.bottom = pair(in, c.width << c.levels);
  for (std::int64_t i = c.levels; i-- > 0;) {
    Conv2d<Expected> up;
    up.weight = Shape{c.width << (i + 1), c.width << i, 2, 2};
    up.settings.stride = {2, 2};
    m.up.push_back(up);
    m.join.push_back(pair(c.width << (i + 1), c.width << i));
  }
  m.out.weight = Shape{c.channels, c.width, 1, 1};
  m.out.bias = Shape{c.channels};
  return m;
}

}  // namespace tenzo
