// LeNet as the smoothing literature trains it on digits: conv 20 5×5, pool, conv 50 5×5, pool, 500, classes.
#pragma once

#include <cstdint>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

struct LeNetConfig {
  std::int64_t channels = 1;
  Size2 image{28, 28};
  std::int64_t classes = 10;
  std::int64_t first = 20, second = 50, hidden = 500;  // channels of the convolutions, width of the linear layer
};

/// Of 28 × 28 pixels in 10 classes: 431,080 weights, 2.3 million multiplications an image.
///   Leaves are named "conv1.weight", "conv2.bias", "fc1.weight", "fc2.weight".
///   Source  LeCun et al. 1998, in the form of Jeong, Shin 2020 (experiments on MNIST).
template <class V>
struct LeNet {
  Conv2d<V> conv1, conv2;  // 5 × 5, no padding
  Linear<V> fc1, fc2;

  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...);
    f("conv2", self.conv2...);
    f("fc1", self.fc1...);
    f("fc2", self.fc2...);
  }

  template <Value X>
  auto operator()(const X& images) const {  // (n, channels, h, w) -> (n, classes)
    using Y = promote_t<X, V>;
    const PoolSettings halves{.kernel = {2, 2}, .stride = {2, 2}};
    // the largest of four, cut at zero, is the largest of what is cut: so four times fewer are cut
    Y x = relu(max_pool2d(Y(conv1(lift<Y>(images))), halves));
    x = relu(max_pool2d(Y(conv2(x)), halves));
    return fc2(relu(fc1(reshape(x, Shape{x.shape()[0], x.shape().inner(0)}))));
  }
};

/// Throws ValueError for sizes that are not positive, and for images of fewer than 16 pixels across.
inline LeNet<Expected> lenet_spec(const LeNetConfig& c = {}) {
  require(c.channels > 0 && c.classes > 0 && c.first > 0 && c.second > 0 && c.hidden > 0 && c.image.h >= 16 &&
              c.image.w >= 16,
          "lenet: images of ", c.channels, " x ", c.image.h, " x ", c.image.w, " in ", c.classes, " classes, widths ",
          c.first, ", ", c.second, ", ", c.hidden, "; want at least 16 x 16 pixels");
  LeNet<Expected> m;
  const auto after = [](std::int64_t n) { return (n - 4) / 2; };
  m.conv1.weight = Shape{c.first, c.channels, 5, 5};
  m.conv1.bias = Shape{c.first};
  m.conv2.weight = Shape{c.second, c.first, 5, 5};
  m.conv2.bias = Shape{c.second};
  m.fc1.weight = Shape{c.hidden, c.second * after(after(c.image.h)) * after(after(c.image.w))};
  m.fc1.bias = Shape{c.hidden};
  m.fc2.weight = Shape{c.classes, c.hidden};
  m.fc2.bias = Shape{c.classes};
  return m;
}

}  // namespace tenzo
