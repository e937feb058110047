// VGG with batch norm: VGG-16 for images of 224 pixels, and for small ones.
//   Source  Simonyan and Zisserman 2015, "Very deep convolutional networks", configuration D; the norms are later
//   usage.
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

struct VggConfig {
  std::int64_t channels = 3, classes = 1000;
  std::vector<std::vector<std::int64_t>> stages = {
      {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};  // channels; a pooling ends each stage
  bool small_images = false;   // one linear layer of the mean over the image instead of three of 7 x 7 means
  std::int64_t hidden = 4096;  // width of the linear layers between
  double eps = 1e-5, momentum = 0.1;
};

enum class VggKind { conv, norm, relu, pool };

/// An entry of the list of layers, which counts relus and poolings, too: a convolution, a norm, or one of those.
template <class V>
struct VggFeature {
  VggKind kind = VggKind::relu;
  Conv2d<V> conv;
  BatchNorm<V> norm;

  static void visit(auto&& f, auto&... self) {
    f("kind", self.kind...);
    f("", self.conv...);
    f("", self.norm...);
  }
  template <Value X>
  X operator()(const X& x, BatchStatistics<plain_t<X>>* training) const {
    switch (kind) {
      case VggKind::conv: return conv(x);
      case VggKind::norm: return norm(x, training);
      case VggKind::relu: return relu(x);
      default: return max_pool2d(x, {.kernel = {2, 2}, .stride = {2, 2}});
    }
  }
};

/// Leaves are named as in the ecosystem's files: "features.0.weight", "features.1.running_mean", and
/// "classifier.0.weight", ".3", ".6" (relus and dropouts are counted), or "classifier.weight" for small images.
///   There is no dropout.
template <class V>
struct Vgg {
  VggConfig config;
  std::vector<VggFeature<V>> features;
  std::vector<Linear<V>> classifier;  // an undefined one is a relu or a dropout
  Linear<V> head;                     // for small images

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("features", self.features...);
    f("classifier", self.classifier...);
    f("classifier", self.head...);
  }

  /// Scores of the classes. With a place for the batch's statistics this is the training pass.
  template <Value X>
  auto operator()(const X& images,
                  BatchStatistics<plain_t<X>>* training = nullptr) const {  // (n, channels, h, w) -> (n, classes)
    using Y = promote_t<X, V>;
    Y x = lift<Y>(images);
    for (const VggFeature<V>& feature : features) x = feature(x, training);
    x = adaptive_avg_pool2d(x, config.small_images ? Size2{1, 1} : Size2{7, 7});
    x = reshape(x, Shape{x.shape()[0], x.shape().inner(0)});
    if (config.small_images) return Y(head(x));
    for (std::size_t i = 0; i < classifier.size(); i += 3) x = i == 0 ? classifier[i](x) : classifier[i](relu(x));
    return x;
  }

  /// Takes the statistics of a training pass into the running ones.
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    std::size_t i = 0;
    for (VggFeature<V>& feature : features)
      if (feature.kind == VggKind::norm) feature.norm.update_running_(s.at(i++));
  }
};

/// Throws ValueError for sizes that are not positive.
inline Vgg<Expected> vgg_spec(const VggConfig& c) {
  require(c.channels > 0 && c.classes > 0 && c.hidden > 0, "vgg: ", c.channels, " channels, ", c.hidden,
          " hidden features, ", c.classes, " classes");
  Vgg<Expected> m;
  m.config = c;
  const auto add = [&](VggKind kind) -> VggFeature<Expected>& {
    m.features.emplace_back().kind = kind;
    return m.features.back();
  };
  std::int64_t in = c.channels;
  for (const auto& stage : c.stages) {
    for (const std::int64_t out : stage) {
      require(out > 0, "vgg: a convolution to ", out, " channels");
      auto& conv = add(VggKind::conv).conv;
      conv.weight = Shape{out, in, 3, 3};
      conv.bias = Shape{out};
      conv.settings.padding = {1, 1};
      auto& norm = add(VggKind::norm).norm;
      norm.weight = norm.bias = norm.running_mean = norm.running_var = Shape{out};
      norm.eps = c.eps;
      norm.momentum = c.momentum;
      add(VggKind::relu);
      in = out;
    }
    add(VggKind::pool);
  }
  const auto linear = [](Linear<Expected>& l, std::int64_t from, std::int64_t to) {
    l.weight = Shape{to, from};
    l.bias = Shape{to};
  };
  if (c.small_images) {
    linear(m.head, in, c.classes);
  } else {
    m.classifier.resize(7);
    linear(m.classifier[0], in * 49, c.hidden);
    linear(m.classifier[3], c.hidden, c.hidden);
    linear(m.classifier[6], c.hidden, c.classes);
  }
  return m;
}

}  // namespace tenzo
