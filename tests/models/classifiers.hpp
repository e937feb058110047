// What the tests of small classifiers share: deterministic numbers, and images that tell their classes.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tenzo/data/samples.hpp"
#include "tenzo/models/spec.hpp"
#include "tenzo/nn/init.hpp"

/// Names and shapes of all leaves, one a line.
template <class M>
std::string leaves_of(const M& model) {
  std::string out;
  tenzo::for_each_leaf(
      [&](const tenzo::Path& at, const auto& leaf) { out += tenzo::cat(at.str(), ' ', leaf.shape(), '\n'); }, model);
  return out;
}

/// Images of noise with a bright bar: a row in class 0, a column in class 1, a diagonal in class 2.
inline tenzo::Samples<float> bars(std::int64_t n, std::int64_t size, std::uint64_t seed) {
  using namespace tenzo;
  Samples<float> s{random_uniform<float>({n, 1, size, size}, initial_key(seed, 0), 0, 0.6),
                   Tensor<std::int64_t>(Shape{n}), 3};
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = i % 3;
    const std::int64_t place = (i / 3) % size;
    for (std::int64_t k = 0; k < size; ++k) {
      const std::int64_t row = i % 3 == 0 ? place : k, column = i % 3 == 1   ? place
                                                                : i % 3 == 0 ? k
                                                                             : (k + place) % size;
      s.x(i * size * size + row * size + column) = 1;
    }
  }
  return s;
}

/// Largest difference of two tensors.
template <class T>
double apart(const tenzo::Tensor<T>& a, const tenzo::Tensor<T>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a(i)) - double(b(i))));
  return worst;
}
