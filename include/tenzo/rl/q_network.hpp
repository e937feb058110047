// Networks from observations to action values.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "tenzo/models/spec.hpp"
#include "tenzo/nn/fixed.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo::rl {

struct QNetworkConfig {
  std::vector<std::int64_t> widths = {4, 120, 84, 2};  // of the observation, of hidden layers, of the actions
  bool norm = false;                                   // layer norm before each relu
  bool dueling = false;                                // a value and advantages

  bool operator==(const QNetworkConfig&) const = default;
};

/// A linear layer with the norm behind it, if there is one.
template <class V>
struct QLayer {
  Linear<V> linear;
  LayerNorm<V> norm;

  static void visit(auto&& f, auto&... self) {
    f("", self.linear...);
    f("norm", self.norm...);
  }
};

/// relu between linear layers, with layer norms and a dueling head as configured. Leaves are named "layers.0.weight",
/// "layers.0.norm.weight".
template <class V>
struct QNetwork {
  QNetworkConfig config;
  std::vector<QLayer<V>> layers;

  static void visit(auto&& f, auto&... self) {
    f("config", self.config...);
    f("layers", self.layers...);
  }

  template <Value X>
  auto operator()(const X& x) const {  // (n, size) -> (n, actions)
    using Y = promote_t<X, V>;
    Y h = lift<Y>(x);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      h = layers[i].linear(i == 0 ? h : relu(h));
      if (layers[i].norm.weight.defined()) h = layers[i].norm(h);
    }
    if (!config.dueling) return h;
    const Y value = slice(h, 1, 0, 1), advantage = slice(h, 1, 1, h.shape()[1]);
    return Y(add(value, sub(advantage, mean(advantage, 1, true))));
  }
};

/// Throws ValueError unless there is a width of the observation and one of the actions, all positive.
inline QNetwork<Expected> q_network_spec(const QNetworkConfig& c) {
  require(c.widths.size() >= 2, "q-network: ", c.widths.size(),
          " widths; want the observation's, hidden ones, the actions'");
  QNetwork<Expected> m;
  m.config = c;
  for (std::size_t i = 0; i + 1 < c.widths.size(); ++i) {
    const bool last = i + 2 == c.widths.size();
    const std::int64_t in = c.widths[i], out = c.widths[i + 1] + (last && c.dueling ? 1 : 0);
    require(in > 0 && out > 0 && in <= 1 << 20 && out <= 1 << 20, "q-network: a layer of ", in, " to ", out,
            " features");
    QLayer<Expected> l;
    l.linear.weight = Shape{out, in};
    l.linear.bias = Shape{out};
    if (c.norm && !last) l.norm.weight = Shape{out}, l.norm.bias = Shape{out};
    m.layers.push_back(l);
  }
  return m;
}

namespace detail {

template <bool norm, bool dueling, class Done, int... widths>
struct FixedLayers;

template <bool norm, bool dueling, class... L, int In, int Out>
struct FixedLayers<norm, dueling, fixed::Network<L...>, In, Out> {
  using type = std::conditional_t<dueling, fixed::Network<L..., fixed::Linear<In, Out + 1>, fixed::Dueling<Out>>,
                                  fixed::Network<L..., fixed::Linear<In, Out>>>;
};
template <bool norm, bool dueling, class... L, int In, int Out, int Next, int... more>
struct FixedLayers<norm, dueling, fixed::Network<L...>, In, Out, Next, more...> {
  using Hidden =
      std::conditional_t<norm, fixed::Network<L..., fixed::Linear<In, Out>, fixed::LayerNorm<Out>, fixed::Relu<Out>>,
                         fixed::Network<L..., fixed::Linear<In, Out>, fixed::Relu<Out>>>;
  using type = typename FixedLayers<norm, dueling, Hidden, Out, Next, more...>::type;
};

}  // namespace detail

/// The network of these widths, with sizes known to the compiler. Its parameters are those of QNetwork in the order of
/// the leaves.
template <bool norm, bool dueling, int... widths>
using FixedQNetwork = typename detail::FixedLayers<norm, dueling, fixed::Network<>, widths...>::type;

}  // namespace tenzo::rl
