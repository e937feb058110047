// Where training begins: tensors and layers of random numbers, each a function of a seed and a number, and whole
// models, each leaf a function of a seed and its name.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tenzo/core/hash.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

/// The key of initial tensor `number`; apart from the noise of directions, dropout and data order.
constexpr NoiseKey initial_key(std::uint64_t seed, std::uint32_t number) {
  return NoiseKey{.seed = seed, .step = 0, .query = 0, .tensor = number}.of(Purpose::initialisation);
}

/// Independent numbers of N(0, deviation²).
template <Real T>
Tensor<T> random_normal(const Shape& shape, const NoiseKey& key, double deviation = 1) {
  Tensor<T> t(shape);
  fill_matrix(Law::normal, key, t.matrix_rows(), t.matrix_cols(), t.data());
  for (T& x : t.values()) x *= T(deviation);
  return t;
}

/// Independent numbers, uniform in [low, high).
template <Real T>
Tensor<T> random_uniform(const Shape& shape, const NoiseKey& key, double low, double high) {
  Tensor<T> t(shape);
  fill_uniform<T>(key, t.matrix_rows(), t.matrix_cols(), T(low), T(high), t.data());
  return t;
}

/// A linear layer `in` → `out` as it usually begins: weight and bias uniform in ±1/√in.
///   Source  He et al. 2015 with a slope of √5, as common libraries take it.
template <Real T>
Linear<Tensor<T>> random_linear(std::int64_t in, std::int64_t out, NoiseKey key) {
  require(in > 0 && out > 0, "random_linear: ", in, " to ", out, " features");
  const double bound = 1 / std::sqrt(double(in));
  Linear<Tensor<T>> l;
  l.weight = random_uniform<T>(Shape{out, in}, key, -bound, bound);
  key.query = 1;
  l.bias = random_uniform<T>(Shape{out}, key, -bound, bound);
  return l;
}

/// The key of the initial values of a leaf: of 60 bits of its name's hash.
inline NoiseKey initial_key(std::uint64_t seed, std::string_view leaf) {
  Hash64 hash;
  hash.update(leaf);
  NoiseKey key = initial_key(seed, std::uint32_t(hash.value() >> 32) & 0x0fffffffu);
  key.query = std::uint32_t(hash.value());
  return key;
}

/// A model as it usually begins, shaped like `spec`: any tree of linear layers, convolutions and norms, of tensors or
/// of expected shapes.
///   weight        of two axes or more: uniform in ±1/√fan_in, the fan-in being the inputs of one output; of one: ones
///   bias          as the weight beside it: uniform in ±1/√fan_in, or zeros where that has one axis
///   running_mean  zeros, running_var ones
///   A leaf is a function of the seed, its name and its layer's shape. So a part of a model can begin anew: take its
///   leaves from here.
///   Throws  ValueError for a leaf of another name, and where a bias is not a number an output.
///   Source  He et al. 2015 with a slope of √5, as common libraries take it.
template <Real T, Tree S>
auto initialised(const S& spec, std::uint64_t seed) {
  std::map<std::string, Shape, std::less<>> weights;  // by layer
  const auto layer_of = [](const Path& at) { return at.parent ? at.parent->str() : std::string(); };
  for_each_leaf(
      [&](const Path& at, const auto& leaf) {
        if (at.name == "weight") weights.emplace(layer_of(at), leaf.shape());
      },
      spec);
  return map_tree<Tensor<T>>(spec, [&](const Path& at, const auto& leaf) {
    const Shape& shape = leaf.shape();
    if (at.name == "running_mean") return Tensor<T>::zeros(shape);
    if (at.name == "running_var") return Tensor<T>::ones(shape);
    const auto weight = weights.find(layer_of(at));
    require(weight != weights.end() && (at.name == "weight" || at.name == "bias"), "initialised: how does '", at.str(),
            "' begin? Known are a layer's weight and bias, and running statistics");
    const Shape& w = weight->second;
    if (w.rank() < 2) return at.name == "weight" ? Tensor<T>::ones(shape) : Tensor<T>::zeros(shape);
    require(at.name == "weight" || (shape.rank() == 1 && shape[0] == w[0]), "initialised: '", at.str(), "' is ", shape,
            " beside a weight ", w, "; want a number an output");
    const std::int64_t fan_in = w.inner(0);
    if (fan_in == 0) return Tensor<T>::zeros(shape);
    const double bound = 1 / std::sqrt(double(fan_in));
    return random_uniform<T>(shape, initial_key(seed, at.str()), -bound, bound);
  });
}

}  // namespace tenzo
