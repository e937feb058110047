// The multi-layer perceptron.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

struct MlpConfig {
  std::vector<std::int64_t> widths = {784, 64, 10};  // of the input, of the hidden layers, of the scores
};

/// Linear layers with relu between them. Leaves are named "layers.0.weight".
template <class V>
struct Mlp {
  MlpConfig config;
  std::vector<Linear<V>> layers;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("layers", self.layers...);
  }

  /// Scores of the classes. Every sample is taken as one vector.
  template <Value X>
  auto operator()(const X& x) const {  // (n, …) -> (n, classes)
    expect(x.shape().rank() >= 2, "mlp: x is ", x.shape(), "; want (n, ...)");
    using Y = promote_t<X, V>;
    Y h = lift<Y>(reshape(x, Shape{x.shape()[0], x.shape().inner(0)}));
    for (std::size_t i = 0; i < layers.size(); ++i) h = i == 0 ? layers[i](h) : layers[i](relu(h));
    return h;
  }
};

/// Throws ValueError unless there is a width of the input and one of the scores, all positive.
inline Mlp<Expected> mlp_spec(const MlpConfig& c) {
  require(c.widths.size() >= 2, "mlp: ", c.widths.size(), " widths; want the input's, hidden ones, the scores'");
  Mlp<Expected> m;
  m.config = c;
  for (std::size_t i = 0; i + 1 < c.widths.size(); ++i) {
    const std::int64_t in = c.widths[i], out = c.widths[i + 1];
    require(in > 0 && out > 0, "mlp: a layer of ", in, " to ", out, " features");
    Linear<Expected> l;
    l.weight = Shape{out, in};
    l.bias = Shape{out};
    m.layers.push_back(l);
  }
  return m;
}

}  // namespace tenzo
