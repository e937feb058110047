// Residual networks of basic blocks (ResNet-18, -34, -20 for small images) and of bottlenecks (ResNet-50 and deeper).
//   Source  He et al. 2016, "Deep residual learning for image recognition".
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/pool.hpp"

namespace tenzo {

struct ResNetConfig {
  std::int64_t width = 64, classes = 1000, channels = 3;
  std::vector<std::int64_t> blocks = {2, 2, 2, 2};  // blocks a stage; the width doubles from stage to stage
  bool bottleneck = false;  // 1 x 1, 3 x 3, 1 x 1 to four times the width, instead of two of 3 x 3
  bool cifar_stem = false;  // 3 x 3 instead of 7 x 7 with stride 2 and pooling
  double eps = 1e-5, momentum = 0.1;

  static ResNetConfig resnet18() { return {}; }
  static ResNetConfig resnet50() {
    ResNetConfig c;
    c.blocks = {3, 4, 6, 3};
    c.bottleneck = true;
    return c;
  }
};

/// A shortcut that changes the shape: convolution and norm.
template <class V>
struct ResNetShortcut {
  Conv2d<V> conv;
  BatchNorm<V> norm;

  static void visit(auto&& f, auto&... self) {
    f("0", self.conv...);
    f("1", self.norm...);
  }
};

template <class V>
struct ResNetBlock {
  Conv2d<V> conv1;
  BatchNorm<V> bn1;
  Conv2d<V> conv2;
  BatchNorm<V> bn2;
  Conv2d<V> conv3;  // of a bottleneck
  BatchNorm<V> bn3;
  ResNetShortcut<V> downsample;  // undefined where the input is added as it is

  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...);
    f("bn1", self.bn1...);
    f("conv2", self.conv2...);
    f("bn2", self.bn2...);
    f("conv3", self.conv3...);
    f("bn3", self.bn3...);
    f("downsample", self.downsample...);
  }
  bool is_bottleneck() const { return conv3.weight.defined(); }

  template <Value X>
  X operator()(const X& x, BatchStatistics<plain_t<X>>* training) const {
    const X h = relu(bn1(conv1(x), training));
    X y = bn2(conv2(h), training);
    if (is_bottleneck()) y = bn3(conv3(relu(y)), training);
    return relu(add(y, downsample.conv.weight.defined() ? downsample.norm(downsample.conv(x), training) : x));
  }
};

/// The stages, named as they are: at most eight.
template <class V>
struct ResNetStages {
  using Stage = std::vector<ResNetBlock<V>>;
  std::array<Stage, 8> at;

  static void visit(auto&& f, auto&... self) {
    static constexpr std::string_view names[] = {"layer1", "layer2", "layer3", "layer4",
                                                 "layer5", "layer6", "layer7", "layer8"};
    for (std::size_t i = 0; i < std::size(names); ++i) f(names[i], self.at[i]...);
  }
};

/// Leaves are named as in the ecosystem's files: "layer1.0.conv1.weight".
template <class V>
struct ResNet {
  ResNetConfig config;
  Conv2d<V> conv1;
  BatchNorm<V> bn1;
  ResNetStages<V> stages;
  Linear<V> fc;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("conv1", self.conv1...);
    f("bn1", self.bn1...);
    f("", self.stages...);
    f("fc", self.fc...);
  }

  /// Scores of the classes. With a place for the batch's statistics this is the training pass.
  template <Value I>
  auto operator()(const I& images,
                  BatchStatistics<plain_t<I>>* training = nullptr) const {  // (n, channels, h, w) -> (n, classes)
    using X = promote_t<I, V>;
    X x = relu(bn1(conv1(lift<X>(images)), training));
    if (!config.cifar_stem) x = max_pool2d(x, {.kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
    for (const auto& stage : stages.at)
      for (const ResNetBlock<V>& block : stage) x = block(x, training);
    x = adaptive_avg_pool2d(x, {1, 1});
    return X(fc(reshape(x, Shape{x.shape()[0], x.shape()[1]})));
  }

  /// Takes the statistics of a training pass into the running ones.
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    std::size_t i = 0;
    bn1.update_running_(s.at(i++));
    for (auto& stage : stages.at)
      for (ResNetBlock<V>& b : stage) {
        b.bn1.update_running_(s.at(i++));
        b.bn2.update_running_(s.at(i++));
        if (b.is_bottleneck()) b.bn3.update_running_(s.at(i++));
        if (b.downsample.conv.weight.defined()) b.downsample.norm.update_running_(s.at(i++));
      }
  }
};

inline ResNet<Expected> resnet_spec(const ResNetConfig& c) {
  require(!c.blocks.empty() && c.blocks.size() <= 8, "resnet: ", c.blocks.size(), " stages");
  const auto conv = [](std::int64_t out, std::int64_t in, std::int64_t k, std::int64_t stride) {
    Conv2d<Expected> l;
    l.weight = Shape{out, in, k, k};
    l.settings.stride = {stride, stride};
    l.settings.padding = {k / 2, k / 2};
    return l;
  };
  const auto norm = [&](std::int64_t n) {
    BatchNorm<Expected> l;
    l.weight = l.bias = l.running_mean = l.running_var = Shape{n};
    l.eps = c.eps;
    l.momentum = c.momentum;
    return l;
  };
  ResNet<Expected> m;
  m.config = c;
  m.conv1 = c.cifar_stem ? conv(c.width, c.channels, 3, 1) : conv(c.width, c.channels, 7, 2);
  m.bn1 = norm(c.width);
  std::int64_t in = c.width;
  for (std::size_t s = 0; s < c.blocks.size(); ++s) {
    const std::int64_t width = c.width << s, out = c.bottleneck ? 4 * width : width;
    auto& stage = m.stages.at[s];
    for (std::int64_t i = 0; i < c.blocks[s]; ++i) {
      const std::int64_t stride = s > 0 && i == 0 ? 2 : 1;
      ResNetBlock<Expected> b;
      if (c.bottleneck) {  // the stride is the middle convolution's, as in the weights that are in use
        b.conv1 = conv(width, in, 1, 1), b.conv2 = conv(width, width, 3, stride), b.conv3 = conv(out, width, 1, 1);
        b.bn3 = norm(out);
      } else {
        b.conv1 = conv(width, in, 3, stride), b.conv2 = conv(width, width, 3, 1);
      }
      b.bn1 = b.bn2 = norm(width);
      if (stride != 1 || in != out) b.downsample = {conv(out, in, 1, stride), norm(out)};
      stage.push_back(b);
      in = out;
    }
  }
  m.fc.weight = Shape{c.classes, in};
  m.fc.bias = Shape{c.classes};
  return m;
}

}  // namespace tenzo
