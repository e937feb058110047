// What the tests of Fourier transforms share: the definition, and a hash of the bits.
#pragma once

#include <bit>
#include <complex>
#include <numbers>

#include "values.hpp"

namespace tenzo::test {

/// The definition along the middle axis, of (outer, n, inner, 2).
inline Doubles by_definition(const Doubles& x, bool inverse) {
  const std::int64_t n = x.dim(1), inner = x.dim(2);
  std::vector<std::complex<long double>> w;
  for (std::int64_t k = 0; k < n; ++k)
    w.push_back(
        std::polar(1.0L, (inverse ? 2 : -2) * std::numbers::pi_v<long double> * (long double)k / (long double)n));
  Doubles y(x.shape());
  for (std::int64_t o = 0; o < x.dim(0); ++o)
    for (std::int64_t i = 0; i < inner; ++i)
      for (std::int64_t k = 0; k < n; ++k) {
        std::complex<long double> s = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          const double* p = x.data() + 2 * ((o * n + j) * inner + i);
          s += std::complex<long double>(p[0], p[1]) * w[std::size_t(j * k % n)];
        }
        double* to = y.data() + 2 * ((o * n + k) * inner + i);
        to[0] = double(s.real()), to[1] = double(s.imag());
      }
  return y;
}

inline double largest(const Doubles& x) {
  double m = 0;
  for (const double v : x.values()) m = std::max(m, std::abs(v));
  return m;
}

inline std::uint64_t hash_of(const Tensor<float>& x) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const float v : x.values()) h = (h ^ std::bit_cast<std::uint32_t>(v)) * 0x100000001b3u;
  return h;
}

}  // namespace tenzo::test
