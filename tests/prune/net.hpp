// A small network of the tests: two convolutions with batch norm, pooling, a linear layer; and samples it can learn.
#pragma once

#include "tenzo/data/samples.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/ops/pool.hpp"

namespace tenzo::test {

/// (n, 1, 8, 8) -> (n, 3)
template <class V>
struct ConvNet {
  Conv2d<V> conv1;
  BatchNorm<V> bn1;
  Conv2d<V> conv2;
  BatchNorm<V> bn2;
  Linear<V> fc;

  static void visit(auto&& f, auto&... self) {
    f("conv1", self.conv1...);
    f("bn1", self.bn1...);
    f("conv2", self.conv2...);
    f("bn2", self.bn2...);
    f("fc", self.fc...);
  }
  template <Value X>
  auto operator()(const X& x, BatchStatistics<plain_t<X>>* training = nullptr) const {
    const PoolSettings half{.kernel = {2, 2}, .stride = {2, 2}};
    const auto h = max_pool2d(relu(bn1(conv1(x), training)), half);
    const auto y = max_pool2d(relu(bn2(conv2(h), training)), half);
    return fc(reshape(y, Shape{y.shape()[0], y.shape().inner(0)}));
  }
  template <Plain P>
  void update_running_(const BatchStatistics<P>& s) {
    bn1.update_running_(s.at(0));
    bn2.update_running_(s.at(1));
  }
};

template <Real T>
ConvNet<Tensor<T>> conv_net(std::uint64_t seed, std::int64_t width = 4) {
  using V = Tensor<T>;
  ConvNet<V> n;
  const auto conv = [&](std::int64_t out, std::int64_t in, std::uint32_t number) {
    Conv2d<V> c;
    const double bound = 1 / std::sqrt(9. * double(in));
    c.weight = random_uniform<T>({out, in, 3, 3}, initial_key(seed, number), -bound, bound);
    c.bias = random_uniform<T>({out}, initial_key(seed, number + 1), -bound, bound);
    c.settings.padding = {1, 1};
    return c;
  };
  const auto norm = [&](std::int64_t channels, std::uint32_t number) {
    BatchNorm<V> b;
    b.weight = random_uniform<T>({channels}, initial_key(seed, number), 0.5, 1.5);
    b.bias = random_uniform<T>({channels}, initial_key(seed, number + 1), -0.2, 0.2);
    b.running_mean = random_uniform<T>({channels}, initial_key(seed, number + 2), -0.2, 0.2);
    b.running_var = random_uniform<T>({channels}, initial_key(seed, number + 3), 0.5, 1.5);
    return b;
  };
  n.conv1 = conv(width, 1, 0);
  n.bn1 = norm(width, 2);
  n.conv2 = conv(width + 2, width, 6);
  n.bn2 = norm(width + 2, 8);
  n.fc = random_linear<T>((width + 2) * 4, 3, initial_key(seed, 12));
  return n;
}

/// Images of three classes: a bright row, a bright column, a bright diagonal, with noise.
template <Real T>
Samples<T> stripes(std::int64_t n, std::uint64_t seed) {
  Samples<T> s{random_normal<T>({n, 1, 8, 8}, initial_key(seed, 100), 0.3), Tensor<std::int64_t>(Shape{n}), 3};
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = i % 3;
    const std::int64_t at = (i / 3 * 5 + std::int64_t(seed)) % 8;
    for (std::int64_t k = 0; k < 8; ++k) {
      const std::int64_t row = i % 3 == 1 ? k : at, col = i % 3 == 0 ? k : at;
      s.x(i * 64 + (i % 3 == 2 ? k * 8 + (k + at) % 8 : row * 8 + col)) += T(1);
    }
  }
  return s;
}

}  // namespace tenzo::test
