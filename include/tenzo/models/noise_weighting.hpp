// How much a noisy image counts in an average over noise: one number an image, learnt with the denoiser.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"

namespace tenzo {

struct NoiseWeightingConfig {
  std::int64_t channels = 2, width = 16, depth = 5;
  double eps = 1e-5, momentum = 0.1;
};

template <class V>
struct NoiseWeightingBlock {
  Conv2d<V> conv;  // 3 x 3, no bias
  BatchNorm<V> bn;

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("bn", self.bn...);
  }
};

/// σ(w · mean over pixels of the last of some blocks [conv, batch norm, relu] + b), in (0, 1). Without blocks it is
/// undefined and not called.
///   Source  the encoder E_φ of weighted smoothed unrolling (Liang et al. 2025).
template <class V>
struct NoiseWeighting {
  NoiseWeightingConfig config;
  std::vector<NoiseWeightingBlock<V>> blocks;
  Linear<V> fc;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("blocks", self.blocks...);
    f("fc", self.fc...);
  }
  bool defined() const { return !blocks.empty(); }

  template <Value X>
  auto operator()(const X& x, BatchStatistics<plain_t<X>>* training = nullptr) const {  // (n, channels, h, w) -> (n, 1)
    using Y = promote_t<X, V>;
    Y h = lift<Y>(x);
    for (const auto& b : blocks) h = relu(b.bn(b.conv(h), training));
    return sigmoid(fc(mean(h, {2, 3})));
  }

  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    expect(blocks.empty() || s.size() % blocks.size() == 0, "noise_weighting: ", s.size(), " statistics of ",
           blocks.size(), " layers");
    for (std::size_t i = 0; i < s.size(); ++i) blocks[i % blocks.size()].bn.update_running_(s[i]);
  }
};

/// Throws ValueError for sizes that are not positive.
inline NoiseWeighting<Expected> noise_weighting_spec(const NoiseWeightingConfig& c) {
  require(c.channels > 0 && c.width > 0 && c.depth > 0, "noise_weighting: ", c.depth, " layers of ", c.width,
          " channels for images of ", c.channels);
  NoiseWeighting<Expected> m;
  m.config = c;
  for (std::int64_t i = 0; i < c.depth; ++i) {
    NoiseWeightingBlock<Expected> b;
    b.conv.weight = Shape{c.width, i == 0 ? c.channels : c.width, 3, 3};
    b.conv.settings.padding = {1, 1};
    b.bn.weight = b.bn.bias = b.bn.running_mean = b.bn.running_var = Shape{c.width};
    b.bn.eps = c.eps;
    b.bn.momentum = c.momentum;
    m.blocks.push_back(b);
  }
  m.fc.weight = Shape{1, c.width};
  m.fc.bias = Shape{1};
  return m;
}

}  // namespace tenzo
