// Where training begins: tensors and layers of random numbers, each a function of a seed and a number.
#pragma once

#include <cmath>
#include <cstdint>

#include "tenzo/core/random.hpp"
#include "tenzo/nn/linear.hpp"

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

}  // namespace tenzo
