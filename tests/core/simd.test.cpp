// Every operation of Simd against the scalar function that it is named for, lane by lane, to the bit.
#include "tenzo/core/simd.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

using namespace tenzo;

namespace {

template <class T>
std::vector<T> awkward() {
  using L = std::numeric_limits<T>;
  return {T(0),     T(-0.),        T(1),           T(-1),    T(0.1),    T(-3.7),
          T(2.5),   T(3.5),        T(-2.5),        L::min(), -L::min(), L::denorm_min(),
          L::max(), L::infinity(), -L::infinity(), T(1e10),  T(-7e-9)};
}

/// Calls f(a, b, c) with vectors whose lanes run over all combinations in turn.
template <class T, class F>
void for_triples(F&& f) {
  const auto v = awkward<T>();
  const std::size_t n = v.size(), size = Simd<T>::size;
  for (std::size_t start = 0; start < n * n * n; start += size) {
    T a[size], b[size], c[size];
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t t = start + i;
      a[i] = v[t % n], b[i] = v[t / n % n], c[i] = v[t / n / n % n];
    }
    f(a, b, c);
  }
}

template <class T>
bool same(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof(T)) == 0;
}

template <class T, class Scalar>
void check_lanes(const Simd<T>& got, Scalar&& want) {
  T lane[Simd<T>::size];
  got.store(lane);
  bool all = true;
  for (int i = 0; i < Simd<T>::size; ++i) all = all && same(lane[i], T(want(i)));
  CHECK(all);
}

}  // namespace

TEST_CASE_TEMPLATE("simd: operations equal the scalar ones", T, float, double) {
  for_triples<T>([](const T* a, const T* b, const T* c) {
    const auto x = Simd<T>::load(a), y = Simd<T>::load(b), z = Simd<T>::load(c);
    check_lanes(x + y, [&](int i) { return a[i] + b[i]; });
    check_lanes(x - y, [&](int i) { return a[i] - b[i]; });
    check_lanes(x * y, [&](int i) { return a[i] * b[i]; });
    check_lanes(x / y, [&](int i) { return a[i] / b[i]; });
    check_lanes(fmadd(x, y, z), [&](int i) { return std::fma(a[i], b[i], c[i]); });
    check_lanes(max(x, y), [&](int i) { return a[i] > b[i] ? a[i] : b[i]; });
    check_lanes(min(x, y), [&](int i) { return a[i] < b[i] ? a[i] : b[i]; });
    check_lanes(where_greater(x, y, z, x), [&](int i) { return a[i] > b[i] ? c[i] : a[i]; });
    check_lanes(sqrt(x), [&](int i) { return std::sqrt(a[i]); });
    check_lanes(abs(x), [&](int i) { return std::fabs(a[i]); });
    check_lanes(round(x), [&](int i) { return std::nearbyint(a[i]); });
  });
}

TEST_CASE_TEMPLATE("simd: a NaN on either side of max and min gives the second argument", T, float, double) {
  const Simd<T> nan(std::numeric_limits<T>::quiet_NaN()), one(T(1));
  check_lanes(max(nan, one), [](int) { return T(1); });
  check_lanes(min(nan, one), [](int) { return T(1); });
  check_lanes(max(one, nan), [](int) { return std::numeric_limits<T>::quiet_NaN(); });
}

TEST_CASE_TEMPLATE("simd: powers of two over the exponents of normal numbers", T, float, double) {
  using L = std::numeric_limits<T>;
  for (int n = L::min_exponent - 1; n < L::max_exponent; ++n)
    check_lanes(pow2(Simd<T>(T(n))), [&](int) { return std::ldexp(T(1), n); });
}

TEST_CASE_TEMPLATE("simd: partial loads and stores touch what they name only", T, float, double) {
  constexpr int size = Simd<T>::size;
  for (int n = 0; n <= size; ++n) {
    const std::vector<T> from(std::size_t(n), T(3));  // its end is the end of the allocation: a sanitizer watches
    const auto v = Simd<T>::load(from.data(), n);
    check_lanes(v, [&](int i) { return i < n ? T(3) : T(0); });
    std::vector<T> exact(std::size_t(n), T(1)), wide(size, T(-1));
    v.store(exact.data(), n);
    v.store(wide.data(), n);
    CHECK(exact == from);
    for (int i = 0; i < size; ++i) CHECK(wide[std::size_t(i)] == (i < n ? T(3) : T(-1)));
  }
}

TEST_CASE("simd: stored types widen as their scalar conversion does") {
  for (std::uint32_t start = 0; start < 65536; start += 16) {
    half h[16];
    bfloat16 b[16];
    for (std::uint32_t i = 0; i < 16; ++i) h[i].bits = b[i].bits = std::uint16_t(start + i);
    check_lanes(Simd<float>::load(h), [&](int i) { return float(h[i]); });
    check_lanes(Simd<float>::load(b), [&](int i) { return float(b[i]); });
  }
}

TEST_CASE_TEMPLATE("simd: sums add by halves", T, float, double) {
  for_triples<T>([](const T* a, const T* b, const T*) {
    T s[Simd<T>::size], m[Simd<T>::size];
    for (int i = 0; i < Simd<T>::size; ++i) s[i] = a[i] * T(1e-3) + b[i] * T(1e-3), m[i] = s[i];
    const auto v = Simd<T>::load(s);
    for (int n = Simd<T>::size / 2; n > 0; n /= 2)
      for (int i = 0; i < n; ++i) s[i] = s[i] + s[i + n], m[i] = m[i] > m[i + n] ? m[i] : m[i + n];
    CHECK(same(sum(v), s[0]));
    CHECK(same(max_lane(v), m[0]));
  });
}
