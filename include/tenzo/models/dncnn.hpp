// DnCNN: a denoiser that takes from an image what a plain convolutional network sees as noise in it.
#pragma once

#include <Eigen/QR>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/elementwise.hpp"

namespace tenzo {

struct DnCnnConfig {
  std::int64_t channels = 1;  // of images; two for complex ones
  std::int64_t depth = 17;    // convolutions, 3 × 3
  std::int64_t width = 64;    // channels between them
  bool norm = true;           // batch norm after all convolutions but the first and the last, which then have no bias
  bool residual = true;       // output = x − net(x); else net(x)
  double eps = 1e-5, momentum = 0.1;
};

template <class V>
struct DnCnnLayer {
  Conv2d<V> conv;   // 3 × 3, the image keeps its size
  BatchNorm<V> bn;  // undefined: left out

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("bn", self.bn...);
  }
};

/// Leaves are named "layers.0.conv.weight", "layers.1.bn.running_mean".
///   Source  Zhang et al. 2017, "Beyond a Gaussian denoiser", section III.
template <class V>
struct DnCnn {
  DnCnnConfig config;
  std::vector<DnCnnLayer<V>> layers;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("layers", self.layers...);
  }

  /// The denoised images. With a place for the batch's statistics this is the training pass.
  template <Value X>
  auto operator()(const X& images,
                  BatchStatistics<plain_t<X>>* training = nullptr) const {  // (n, channels, h, w) -> the same
    using Y = promote_t<X, V>;
    const Y x = lift<Y>(images);
    Y h = x;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      h = layers[i].conv(h);
      if (layers[i].bn.weight.defined()) h = layers[i].bn(h, training);
      if (i + 1 < layers.size()) h = relu(h);
    }
    return config.residual ? Y(sub(x, h)) : h;
  }

  /// Takes the statistics of a training pass into the running ones.
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    std::size_t i = 0;
    for (DnCnnLayer<V>& layer : layers)
      if (layer.bn.weight.defined()) layer.bn.update_running_(s.at(i++));
  }
};

/// Throws ValueError for fewer than two convolutions and for sizes that are not positive.
inline DnCnn<Expected> dncnn_spec(const DnCnnConfig& c = {}) {
  require(c.depth >= 2 && c.channels > 0 && c.width > 0, "dncnn: ", c.depth, " convolutions of ", c.width,
          " channels for images of ", c.channels);
  DnCnn<Expected> m;
  m.config = c;
  for (std::int64_t i = 0; i < c.depth; ++i) {
    const bool last = i + 1 == c.depth;
    DnCnnLayer<Expected> l;
    const std::int64_t out = last ? c.channels : c.width;
    l.conv.weight = Shape{out, i == 0 ? c.channels : c.width, 3, 3};
    l.conv.settings.padding = {1, 1};
    if (c.norm && i > 0 && !last) {
      l.bn.weight = l.bn.bias = l.bn.running_mean = l.bn.running_var = Shape{out};
      l.bn.eps = c.eps;
      l.bn.momentum = c.momentum;
    } else if (!last || !c.norm) {
      l.conv.bias = Shape{out};
    }
    m.layers.push_back(l);
  }
  return m;
}

/// A denoiser as it begins: convolutions with orthogonal rows or columns (as a matrix of outputs by inputs), the last
/// one zero, biases zero: at first images stay as they are.
///   Source  Salman et al. 2020, "Denoised smoothing", code.
template <Real T>
DnCnn<Tensor<T>> initial_dncnn(const DnCnnConfig& c, std::uint64_t seed) {
  DnCnn<Tensor<T>> m = initialised<T>(dncnn_spec(c), seed);
  std::uint32_t number = 0;
  for (DnCnnLayer<Tensor<T>>& l : m.layers) {
    if (l.conv.bias.defined()) l.conv.bias = Tensor<T>::zeros(l.conv.bias.shape());
    const Shape shape = l.conv.weight.shape();
    if (++number == std::uint32_t(m.layers.size())) {
      l.conv.weight = Tensor<T>::zeros(shape);
      break;
    }
    const std::int64_t rows = shape[0], cols = shape.inner(0), most = std::max(rows, cols),
                       least = std::min(rows, cols);
    const Tensor<double> z = random_normal<double>(Shape{most, least}, initial_key(seed, number));
    const Eigen::HouseholderQR<Eigen::MatrixXd> qr(z.matrix());
    Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(most, least);
    for (std::int64_t j = 0; j < least; ++j)  // signs of R's diagonal make Q uniform among all
      if (qr.matrixQR()(j, j) < 0) q.col(j) = -q.col(j);
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < cols; ++j) l.conv.weight(i * cols + j) = T(rows >= cols ? q(i, j) : q(j, i));
  }
  return m;
}

}  // namespace tenzo
