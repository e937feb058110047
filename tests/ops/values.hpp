// What the tests of primitives share: arbitrary tensors, comparison with a definition, element access by index.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::test {

using Doubles = Tensor<double>;
using Index = std::vector<std::int64_t>;

/// Numbers in (−size, size) that differ from each other; the same for the same seed.
template <class T = double>
Tensor<T> arbitrary(const Shape& shape, std::uint64_t seed = 1, double size = 1) {
  Tensor<T> t(shape);
  for (std::int64_t i = 0; i < t.size(); ++i)
    t(i) = T(size * (double(philox4x32({std::uint32_t(i), 0, 0, 7}, seed)[0]) * 0x1p-31 - 1));
  return t;
}

/// Calls f(index, position) for all elements in row-major order.
inline void for_each_index(const Shape& shape, const std::function<void(const Index&, std::int64_t)>& f) {
  Index at(std::size_t(shape.rank()), 0);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    std::int64_t rest = i;
    for (int a = shape.rank() - 1; a >= 0; --a) {
      at[std::size_t(a)] = rest % shape[a];
      rest /= shape[a];
    }
    f(at, i);
  }
}

template <class T>
T at(const Tensor<T>& t, const Index& index) {
  const auto strides = strides_of(t.shape());
  std::int64_t offset = 0;
  for (std::size_t a = 0; a < index.size(); ++a) offset += index[a] * strides[a];
  return t.data()[offset];
}

/// The tensor of f(index).
template <class T = double>
Tensor<T> made(const Shape& shape, const std::function<double(const Index&)>& f) {
  Tensor<T> t(shape);
  for_each_index(shape, [&](const Index& index, std::int64_t i) { t(i) = T(f(index)); });
  return t;
}

/// The largest |a − b|; infinite where the shapes differ or a number is NaN on one side only.
template <class A, class B>
double distance(const Tensor<A>& a, const Tensor<B>& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const double x = double(a(i)), y = double(b(i));
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::abs(x - y);
    worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
  }
  return worst;
}

template <class T>
bool same(const Tensor<T>& a, const Tensor<T>& b) {
  return distance(a, b) == 0;
}

/// Checks that f differentiates rightly in every mode at x.
template <class F, class X>
void check_modes(F&& f, const X& x) {
  const GradientReport report = check_gradients(f, x);
  CAPTURE(report);
  CHECK(report.passed());
}

}  // namespace tenzo::test
