// The convolution layer.
#pragma once

#include "tenzo/ops/conv.hpp"

namespace tenzo {

template <class V>
struct Conv2d {
  V weight;  // (out, in / groups, kh, kw)
  V bias;    // (out), or undefined
  ConvSettings settings;

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("bias", self.bias...);
    f("settings", self.settings...);
  }
  template <Value X>
  auto operator()(const X& x) const {  // (n, in, h, w) -> (n, out, h', w')
    return conv2d(x, weight, bias, settings);
  }
};

}  // namespace tenzo
