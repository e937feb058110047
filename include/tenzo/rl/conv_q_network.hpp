// A convolutional network from planes to action values, for games on small grids.
#pragma once

#include <cstdint>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo::rl {

/// A 3 x 3 convolution without padding, a hidden layer, action values; relu between them.
///   Source  Young, Tian 2019: 16 channels, 128 hidden units
template <class V>
struct ConvQNetwork {
  Conv2d<V> conv;
  Linear<V> hidden, output;

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("hidden", self.hidden...);
    f("output", self.output...);
  }

  template <Value X>
  auto operator()(const X& x) const {  // (n, planes, h, w) -> (n, actions)
    using Y = promote_t<X, V>;
    const Y h = relu(conv(lift<Y>(x)));
    return output(relu(hidden(reshape(h, Shape{h.shape()[0], h.shape().inner(0)}))));
  }
};

/// Throws ValueError unless all sizes are positive, and height and width 3 at least.
inline ConvQNetwork<Expected> conv_q_spec(std::int64_t planes, std::int64_t height, std::int64_t width,
                                          std::int64_t actions, std::int64_t channels = 16, std::int64_t hidden = 128) {
  require(planes > 0 && height >= 3 && width >= 3 && actions > 0 && channels > 0 && hidden > 0,
          "conv q-network: ", planes, " planes of ", height, " x ", width, ", ", actions, " actions, ", channels,
          " channels, ", hidden, " hidden units");
  ConvQNetwork<Expected> m;
  m.conv.weight = Shape{channels, planes, 3, 3}, m.conv.bias = Shape{channels};
  m.hidden.weight = Shape{hidden, channels * (height - 2) * (width - 2)}, m.hidden.bias = Shape{hidden};
  m.output.weight = Shape{actions, hidden}, m.output.bias = Shape{actions};
  return m;
}

}  // namespace tenzo::rl
