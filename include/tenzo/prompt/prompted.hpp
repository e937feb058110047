// A network between a prompt and a label mapping, as one model: what trains, prunes or judges a network does so with
// it.
#pragma once

#include <cstdint>
#include <vector>

#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/prompt/label_mapping.hpp"
#include "tenzo/prompt/visual_prompt.hpp"
#include "tenzo/prune/mask.hpp"
#include "tenzo/train/classifier.hpp"

namespace tenzo::prompt {

/// (x − mean) / deviation of each channel, as the network was trained; empty: x.
struct Normalisation {
  std::vector<double> mean, deviation;

  /// Of the networks that were trained on ImageNet.
  static Normalisation imagenet() { return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}}; }

  template <Value X>
  X operator()(const X& x) const {  // (n, channels, h, w) -> the same
    if (mean.empty()) return x;
    const auto channels = std::int64_t(mean.size());
    expect(x.shape().rank() == 4 && x.shape()[1] == channels && mean.size() == deviation.size(),
           "normalisation: images are ", x.shape(), "; want ", channels, " channels");
    Tensor<scalar_t<X>> scale(Shape{channels, 1, 1}), shift(Shape{channels, 1, 1});
    for (std::int64_t c = 0; c < channels; ++c) {
      scale(c) = scalar_t<X>(1 / deviation[std::size_t(c)]);
      shift(c) = scalar_t<X>(-mean[std::size_t(c)] / deviation[std::size_t(c)]);
    }
    using D = device_t<X>;
    return add(mul(x, scale.template to<D>()), shift.template to<D>());
  }
};

/// The family of a network's prompted models: Prompted<ResNet>::Model<V> is one over the value V. (A template of one
/// parameter is what trees can be rebound to.)
template <template <class> class Net>
struct Prompted {
  /// f(Norm(clip(x + M ⊙ φ(δ))))_π:  x (n, channels, O, O) → (n, classes).
  ///   Leaves are those of the prompt, "prompt.delta", and of the network, "net.fc.weight".
  template <class V>
  struct Model {
    VisualPrompt<V> prompt;  // undefined: none
    Net<V> net;
    Normalisation norm;
    Mapping mapping;  // π; empty: all scores of the network

    static void visit(auto&& f, auto&... self) {
      f("prompt", self.prompt...);
      f("net", self.net...);
      f("norm", self.norm...);
      f("mapping", self.mapping...);
    }

    template <Value X>
    auto operator()(const X& x) const {
      return mapped(net(seen(x)));
    }
    /// The training pass of networks that have one.
    template <Value X>
    requires(HasBatchNorm<Net<V>, promote_t<X, V>>) auto operator()(const X& x,
                                                                    BatchStatistics<plain_t<X>>* training) const {
      return mapped(net(seen(x), training));
    }
    template <Plain P>
    requires requires(Net<V>& n, const BatchStatistics<P>& s) { n.update_running_(s); }
    void update_running_(const BatchStatistics<P>& s) { net.update_running_(s); }

   private:
    template <Value X>
    auto seen(const X& x) const {
      return norm(prompt(x));
    }
    template <Value Z>
    Z mapped(const Z& z) const {
      if (mapping.empty()) return z;
      return index_select(z, 1, Indices::from({std::int64_t(mapping.size())}, mapping));
    }
  };
};

/// The same model without its prompt, and with the whole of the network's scores. Leaves are shared.
template <class M>
M without_prompt(M model) {
  model.prompt.delta = {}, model.prompt.factor = {};
  return model;
}
template <class M>
M without_mapping(M model) {
  model.mapping.clear();
  return model;
}

/// Whether a leaf of a prompted model is a weight of its network that can be pruned.
inline bool is_net_weight(const Path& at, const Shape& shape) {
  const Path* top = &at;
  while (top->parent && top->parent->parent) top = top->parent;
  return top->name == "net" && prune::is_prunable(at, shape);
}

}  // namespace tenzo::prompt
