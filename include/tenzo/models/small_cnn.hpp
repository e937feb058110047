// Small convolutional networks: blocks of convolution, norm, relu and pooling, then linear layers.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

/// The default is conv16-conv32-fc. With `image = {32, 32}`, `blocks = {16, 32, 64}`, `norm = true` and `classes = 20`
/// it is a network of 43,664 weights beside norms and biases.
struct SmallCnnConfig {
  std::int64_t channels = 1;
  Size2 image{28, 28};
  std::int64_t classes = 10;
  std::vector<std::int64_t> blocks = {16, 32};  // channels that each block makes
  bool norm = false;                            // batch norm in the blocks, whose convolutions then have no bias
  bool pool = true;                             // each block ends with the largest of 2 x 2 pixels
  std::vector<std::int64_t> hidden = {};        // widths of linear layers before the last
  double eps = 1e-5, momentum = 0.1;
};

template <class V>
struct SmallCnnBlock {
  Conv2d<V> conv;   // 3 x 3, the image keeps its size
  BatchNorm<V> bn;  // undefined: left out

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("bn", self.bn...);
  }
  template <Value X>
  X operator()(const X& x, BatchStatistics<plain_t<X>>* training) const {
    const X h = conv(x);
    return relu(bn.weight.defined() ? bn(h, training) : h);
  }
};

/// Leaves are named "blocks.0.conv.weight", "blocks.0.bn.running_mean", "fc.0.weight".
template <class V>
struct SmallCnn {
  SmallCnnConfig config;
  std::vector<SmallCnnBlock<V>> blocks;
  std::vector<Linear<V>> fc;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("blocks", self.blocks...);
    f("fc", self.fc...);
  }

  /// Scores of the classes. With a place for the batch's statistics this is the training pass.
  template <Value X>
  auto operator()(const X& images,
                  BatchStatistics<plain_t<X>>* training = nullptr) const {  // (n, channels, h, w) -> (n, classes)
    using Y = promote_t<X, V>;
    Y x = lift<Y>(images);
    for (const SmallCnnBlock<V>& block : blocks) {
      x = block(x, training);
      if (config.pool) x = max_pool2d(x, {.kernel = {2, 2}, .stride = {2, 2}});
    }
    x = reshape(x, Shape{x.shape()[0], x.shape().inner(0)});
    for (std::size_t i = 0; i < fc.size(); ++i) x = i == 0 ? fc[i](x) : fc[i](relu(x));
    return x;
  }

  /// Takes the statistics of a training pass into the running ones.
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    std::size_t i = 0;
    for (SmallCnnBlock<V>& block : blocks)
      if (block.bn.weight.defined()) block.bn.update_running_(s.at(i++));
  }
};

/// Throws ValueError for sizes that are not positive, and for more pooling than the image has pixels for.
inline SmallCnn<Expected> small_cnn_spec(const SmallCnnConfig& c) {
  require(c.channels > 0 && c.classes > 0 && c.image.h > 0 && c.image.w > 0, "small_cnn: images of ", c.channels, " x ",
          c.image.h, " x ", c.image.w, " in ", c.classes, " classes");
  SmallCnn<Expected> m;
  m.config = c;
  std::int64_t in = c.channels;
  Size2 image = c.image;
  for (const std::int64_t out : c.blocks) {
    require(out > 0, "small_cnn: a block of ", out, " channels");
    SmallCnnBlock<Expected> b;
    b.conv.weight = Shape{out, in, 3, 3};
    b.conv.settings.padding = {1, 1};
    if (c.norm) {
      b.bn.weight = b.bn.bias = b.bn.running_mean = b.bn.running_var = Shape{out};
      b.bn.eps = c.eps;
      b.bn.momentum = c.momentum;
    } else {
      b.conv.bias = Shape{out};
    }
    m.blocks.push_back(b);
    in = out;
    if (c.pool) image = {image.h / 2, image.w / 2};
    require(image.h > 0 && image.w > 0, "small_cnn: ", c.blocks.size(), " blocks halve an image of ", c.image.h, " x ",
            c.image.w, " to nothing");
  }
  in *= image.h * image.w;
  const auto add = [&](std::int64_t out) {
    require(out > 0, "small_cnn: a linear layer of ", out, " features");
    Linear<Expected> l;
    l.weight = Shape{out, in};
    l.bias = Shape{out};
    m.fc.push_back(l);
    in = out;
  };
  for (const std::int64_t width : c.hidden) add(width);
  add(c.classes);
  return m;
}

}  // namespace tenzo
