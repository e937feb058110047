// DIDN: an image denoiser that goes down two scales and up again several times over.
//   Source  Yu, Park, Jeong 2019, "Deep iterative down-up CNN for image denoising".
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/pixel_shuffle.hpp"
#include "tenzo/ops/prelu.hpp"

namespace tenzo {

/// The default is that of smoothed unrolling: 3.37 million weights.
struct DidnConfig {
  std::int64_t channels = 2, width = 64, blocks = 2;
};

/// A rectifier with one slope for all channels.
template <class V>
struct PreluLayer {
  V weight;  // (1)

  static void visit(auto&& f, auto&... self) { f("weight", self.weight...); }
  template <Value X>
  auto operator()(const X& x) const {
    return prelu(x, weight);
  }
};

/// One way down and up on c channels: c → 2c at half → 4c at a quarter → 2c → c, with what is passed by put beside.
///   Members are numbered as in the ecosystem's files, where shuffles count, too.
template <class V>
struct DidnBlock {
  Conv2d<V> conv1, conv3, conv5, conv7, conv9, conv11, conv13, conv15, conv16, conv18, conv20, conv21, conv23, conv25;
  PreluLayer<V> relu2, relu4, relu6, relu8, relu10, relu12, relu17, relu22, relu24;

  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...), f("relu2", self.relu2...), f("conv3", self.conv3...), f("relu4", self.relu4...);
    f("conv5", self.conv5...), f("relu6", self.relu6...), f("conv7", self.conv7...), f("relu8", self.relu8...);
    f("conv9", self.conv9...), f("relu10", self.relu10...), f("conv11", self.conv11...), f("relu12", self.relu12...);
    f("conv13", self.conv13...), f("conv15", self.conv15...), f("conv16", self.conv16...);
    f("relu17", self.relu17...), f("conv18", self.conv18...), f("conv20", self.conv20...);
    f("conv21", self.conv21...), f("relu22", self.relu22...), f("conv23", self.conv23...);
    f("relu24", self.relu24...), f("conv25", self.conv25...);
  }

  template <Value X>
  X operator()(const X& x) const {  // (n, c, h, w) -> the same; h and w are multiples of 4
    const X a = add(x, relu4(conv3(relu2(conv1(x)))));
    X h = relu6(conv5(a));
    const X b = add(h, relu8(conv7(h)));
    h = relu10(conv9(b));
    h = add(h, relu12(conv11(h)));
    h = conv15(concat(pixel_shuffle(conv13(h), 2), b, 1));
    h = add(h, relu17(conv16(h)));
    h = conv20(concat(pixel_shuffle(conv18(h), 2), a, 1));
    h = add(h, relu24(conv23(relu22(conv21(h)))));
    return add(conv25(h), x);
  }
};

/// x + net(x). Images of any size are brought to a multiple of 8 by zeros below and to the right, which are cut off
/// again.
///   Leaves are named "conv_input.weight", "recursive.0.conv1.weight", "relu1.weight".
template <class V>
struct Didn {
  DidnConfig config;
  Conv2d<V> conv_input, conv_down;
  PreluLayer<V> relu1, relu2;
  std::vector<DidnBlock<V>> recursive;
  Conv2d<V> conv_mid, conv_mid2, conv_output;
  PreluLayer<V> relu3, relu4;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("conv_input", self.conv_input...), f("relu1", self.relu1...);
    f("conv_down", self.conv_down...), f("relu2", self.relu2...);
    f("recursive", self.recursive...);
    f("conv_mid", self.conv_mid...), f("relu3", self.relu3...);
    f("conv_mid2", self.conv_mid2...), f("relu4", self.relu4...);
    f("conv_output", self.conv_output...);
  }

  template <Value X>
  auto operator()(const X& images) const {  // (n, channels, h, w) -> the same
    using Y = promote_t<X, V>;
    const Shape& s = images.shape();
    const auto missing = [](std::int64_t n) { return (8 - n % 8) % 8; };
    const Y x = pad(lift<Y>(images), {{2, 0, missing(s[2])}, {3, 0, missing(s[3])}});
    Y h = relu2(conv_down(relu1(conv_input(x))));
    std::vector<Y> all;
    for (const DidnBlock<V>& block : recursive) all.push_back(h = block(h));
    h = relu3(conv_mid(concat(all, 1)));
    h = add(h, relu4(conv_mid2(h)));
    const Y y = add(x, conv_output(pixel_shuffle(h, 2)));
    return slice(slice(y, 2, 0, s[2]), 3, 0, s[3]);
  }
};

/// Throws ValueError for sizes that are not positive, and for a width that shuffles can not take.
inline Didn<Expected> didn_spec(const DidnConfig& c) {
  require(c.channels > 0 && c.width > 0 && c.width % 4 == 0 && c.blocks > 0, "didn: ", c.blocks, " blocks of ", c.width,
          " channels for images of ", c.channels, "; want a multiple of 4");
  const auto conv = [](std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1) {
    Conv2d<Expected> l;
    l.weight = Shape{out, in, kernel, kernel};
    l.bias = Shape{out};
    l.settings.stride = {stride, stride};
    l.settings.padding = {kernel / 2, kernel / 2};
    return l;
  };
  const PreluLayer<Expected> slope{Shape{1}};
  const std::int64_t w = c.width;
  DidnBlock<Expected> b;
  b.conv1 = b.conv3 = b.conv21 = b.conv23 = b.conv25 = conv(w, w, 3);
  b.conv5 = conv(w, 2 * w, 3, 2);
  b.conv7 = b.conv16 = conv(2 * w, 2 * w, 3);
  b.conv9 = conv(2 * w, 4 * w, 3, 2);
  b.conv11 = conv(4 * w, 4 * w, 3);
  b.conv13 = conv(4 * w, 8 * w, 1);
  b.conv15 = conv(4 * w, 2 * w, 1);
  b.conv18 = conv(2 * w, 4 * w, 1);
  b.conv20 = conv(2 * w, w, 1);
  b.relu2 = b.relu4 = b.relu6 = b.relu8 = b.relu10 = b.relu12 = b.relu17 = b.relu22 = b.relu24 = slope;
  Didn<Expected> m;
  m.config = c;
  m.conv_input = conv(c.channels, w, 3);
  m.conv_down = conv(w, w, 3, 2);
  m.recursive.assign(std::size_t(c.blocks), b);
  m.conv_mid = conv(w * c.blocks, w, 1);
  m.conv_mid2 = conv(w, w, 3);
  m.conv_output = conv(w / 4, c.channels, 3);
  m.relu1 = m.relu2 = m.relu3 = m.relu4 = slope;
  return m;
}

/// As smoothed unrolling begins: weights of N(0, .02²), biases zero, slopes 1/4. A leaf is a function of the seed and
/// its name.
template <Real T>
Didn<Tensor<T>> random_didn(const DidnConfig& c, std::uint64_t seed) {
  return map_tree<Tensor<T>>(didn_spec(c), [&](const Path& at, const Expected& leaf) {
    if (leaf.shape().rank() == 4) return random_normal<T>(leaf.shape(), initial_key(seed, at.str()), 0.02);
    return at.name == "weight" ? Tensor<T>::full(leaf.shape(), T(0.25)) : Tensor<T>::zeros(leaf.shape());
  });
}

}  // namespace tenzo
