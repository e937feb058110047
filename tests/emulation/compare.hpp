// A loop on the device beside its namesake on the CPU.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "device.hpp"
#include "memory.cuh"
#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::test {

/// n numbers about zero.
template <class T>
std::vector<T> normals(std::int64_t n, std::uint64_t seed) {
  std::vector<float> z(static_cast<std::size_t>(n));
  tenzo::fill(Law::normal, {.seed = seed}, n, 0, 0, n, z.data());
  return {z.begin(), z.end()};
}

/// Whether all bits agree; NaN and the sign of zero count.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The largest difference beside the largest magnitude.
template <class T>
double distance(const std::vector<T>& got, const std::vector<T>& want) {
  double worst = got.size() == want.size() ? 0 : INFINITY, top = 0;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    const double d = std::abs(double(got[i]) - double(want[i]));
    worst = std::max(worst, std::isnan(d) ? INFINITY : d);
    top = std::max(top, std::abs(double(want[i])));
  }
  return top > 0 ? worst / top : worst;
}

}  // namespace tenzo::test
