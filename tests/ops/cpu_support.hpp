// What the tests of the kernels on raw memory share: numbers, hashes, differences, difference quotients.
#pragma once

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tenzo/core/parallel.hpp"

namespace tenzo::test {

/// n numbers, uniform in (−size, size); the same in every type up to rounding.
template <class T>
std::vector<T> numbers(std::int64_t n, std::uint64_t seed, double size = 1) {
  std::vector<T> x;
  x.reserve(std::size_t(n));
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint64_t z = (seed * 1000003u + std::uint64_t(i) + 1u) * 0x9e3779b97f4a7c15u;  // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    x.push_back(T(size * (std::ldexp(double((z ^ (z >> 31)) >> 11), -52) - 1)));
  }
  return x;
}

template <class T>
std::vector<double> in_double(const std::vector<T>& x) {
  return {x.begin(), x.end()};
}

/// FNV-1a over the bits.
inline std::uint64_t hash_of(const std::vector<float>& y, std::uint64_t h = 0xcbf29ce484222325u) {
  for (float v : y) h = (h ^ std::bit_cast<std::uint32_t>(v)) * 0x100000001b3u;
  return h;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The largest |a − b|; infinite where one is NaN and the other is not.
template <class A, class B>
double distance(const std::vector<A>& a, const std::vector<B>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(double(a[i])) && std::isnan(double(b[i]))) continue;
    const double d = double(a[i]) == double(b[i]) ? 0 : std::abs(double(a[i]) - double(b[i]));
    worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
  }
  return worst;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

/// Central differences of f at x: error about h² |f‴| / 6 + 2e-16 |f| / h.
template <class F>
std::vector<double> difference_quotients(F&& f, std::vector<double> x, double h = 1e-5) {
  std::vector<double> g;
  for (double& v : x) {
    const double at = v;
    v = at + h;
    const double up = f(x);
    v = at - h;
    const double down = f(x);
    v = at;
    g.push_back((up - down) / (2 * h));
  }
  return g;
}

/// Runs `f` on `n` threads.
template <class F>
auto on(int n, F&& f) {
  const int before = threads();
  set_threads(n);
  auto result = f();
  set_threads(before);
  return result;
}

}  // namespace tenzo::test
