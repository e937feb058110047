// A small residual denoiser: a few convolutions with relus between, added to what they are given.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo {

/// The default is five layers of 16 channels for complex images.
struct ResidualCnnConfig {
  std::int64_t channels = 2, width = 16, depth = 5;
};

/// x + conv(relu(… relu(conv(x)))), 3 x 3 with a border of zeros. Leaves are named "layers.0.weight".
template <class V>
struct ResidualCnn {
  ResidualCnnConfig config;
  std::vector<Conv2d<V>> layers;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("layers", self.layers...);
  }
  template <Value X>
  auto operator()(const X& x) const {  // (n, channels, h, w) -> the same
    using Y = promote_t<X, V>;
    Y h = lift<Y>(x);
    for (std::size_t i = 0; i < layers.size(); ++i) h = i == 0 ? layers[i](h) : layers[i](relu(h));
    return add(x, h);
  }
};

/// Throws ValueError for sizes that are not positive.
inline ResidualCnn<Expected> residual_cnn_spec(const ResidualCnnConfig& c) {
  require(c.channels > 0 && c.width > 0 && c.depth > 0, "residual_cnn: ", c.depth, " layers of ", c.width,
          " channels for images of ", c.channels);
  ResidualCnn<Expected> m;
  m.config = c;
  for (std::int64_t i = 0; i < c.depth; ++i) {
    Conv2d<Expected> l;
    const std::int64_t in = i == 0 ? c.channels : c.width, out = i + 1 == c.depth ? c.channels : c.width;
    l.weight = Shape{out, in, 3, 3};
    l.bias = Shape{out};
    l.settings.padding = {1, 1};
    m.layers.push_back(l);
  }
  return m;
}

}  // namespace tenzo
