// One vector of 64 bytes: 16 floats or 8 doubles, with the same bits on every instruction set.
//
// A Simd<T> is one register of AVX-512, two of AVX2, or an array of T in plain code. Only the functions of `detail`
// differ between the three; each rounds as the scalar function that it is named for, and `fmadd` rounds once
// everywhere. Compile with -ffp-contract=off: then the compiler never turns `a * b + c` into a fused operation.
#pragma once

#include <cstdint>
#include <cstring>

#include "tenzo/core/detail/simd_registers.hpp"
#include "tenzo/core/dtype.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo {

/// 64 bytes of T: lanes 0 … size-1.
template <Real T>
struct Simd {
  using Register = typename detail::RegisterOf<T>::type;
  static constexpr int size = 64 / sizeof(T);
  static constexpr int width = sizeof(Register) / sizeof(T);  // lanes of a register
  static constexpr int parts = size / width;

  Register part[parts];

  Simd() = default;
  /// x in every lane.
  TENZO_INLINE explicit Simd(T x) {
    for (int i = 0; i < parts; ++i) detail::set(part[i], x);
  }

  /// p[0 … size), no alignment needed.
  TENZO_INLINE static Simd load(const T* p) {
    Simd r;
    for (int i = 0; i < parts; ++i) std::memcpy(&r.part[i], p + i * width, sizeof(Register));
    return r;
  }
  /// p[0 … n) and zeros beyond, 0 <= n <= size; nothing beyond p[n) is read.
  TENZO_INLINE static Simd load(const T* p, std::int64_t n) {
    Simd r;
    for (int i = 0; i < parts; ++i) detail::load_some(r.part[i], p + i * width, clamp(n - i * width));
    return r;
  }
  /// p[0 … size) of bfloat16 or half, widened.
  template <class Stored>
  TENZO_INLINE static Simd load(const Stored* p) {
    Simd r;
    for (int i = 0; i < parts; ++i) detail::load_bits(r.part[i], p + i * width);
    return r;
  }
  TENZO_INLINE void store(T* p) const {
    for (int i = 0; i < parts; ++i) std::memcpy(p + i * width, &part[i], sizeof(Register));
  }
  /// Writes the first n lanes only.
  TENZO_INLINE void store(T* p, std::int64_t n) const {
    for (int i = 0; i < parts; ++i) detail::store_some(part[i], p + i * width, clamp(n - i * width));
  }

 private:
  TENZO_INLINE static std::int64_t clamp(std::int64_t n) { return n < 0 ? 0 : n > width ? width : n; }
};

#define TENZO_LANEWISE(expression)                                 \
  Simd<T> r;                                                       \
  for (int i = 0; i < Simd<T>::parts; ++i) r.part[i] = expression; \
  return r

template <Real T>
TENZO_INLINE Simd<T> operator+(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(a.part[i] + b.part[i]);
}
template <Real T>
TENZO_INLINE Simd<T> operator-(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(a.part[i] - b.part[i]);
}
template <Real T>
TENZO_INLINE Simd<T> operator*(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(a.part[i] * b.part[i]);
}
template <Real T>
TENZO_INLINE Simd<T> operator/(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(a.part[i] / b.part[i]);
}
/// a b + c, rounded once.
template <Real T>
TENZO_INLINE Simd<T> fmadd(const Simd<T>& a, const Simd<T>& b, const Simd<T>& c) {
  TENZO_LANEWISE(detail::fma(a.part[i], b.part[i], c.part[i]));
}
/// The larger one; b where either is NaN, and where both are zeros.
template <Real T>
TENZO_INLINE Simd<T> max(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(detail::max(a.part[i], b.part[i]));
}
/// The smaller one; b where either is NaN, and where both are zeros.
template <Real T>
TENZO_INLINE Simd<T> min(const Simd<T>& a, const Simd<T>& b) {
  TENZO_LANEWISE(detail::min(a.part[i], b.part[i]));
}
template <Real T>
TENZO_INLINE Simd<T> sqrt(const Simd<T>& a) {
  TENZO_LANEWISE(detail::sqrt(a.part[i]));
}
template <Real T>
TENZO_INLINE Simd<T> abs(const Simd<T>& a) {
  TENZO_LANEWISE(detail::abs(a.part[i]));
}
/// To the nearest whole number, ties to even.
template <Real T>
TENZO_INLINE Simd<T> round(const Simd<T>& a) {
  TENZO_LANEWISE(detail::round(a.part[i]));
}
/// 2^n for whole n within the exponents of normal numbers: [-126, 127] for float, [-1022, 1023] for double.
template <Real T>
TENZO_INLINE Simd<T> pow2(const Simd<T>& n) {
  TENZO_LANEWISE(detail::pow2(n.part[i]));
}
/// x where a > b, else y.
template <Real T>
TENZO_INLINE Simd<T> where_greater(const Simd<T>& a, const Simd<T>& b, const Simd<T>& x, const Simd<T>& y) {
  TENZO_LANEWISE(detail::greater(a.part[i], b.part[i], x.part[i], y.part[i]));
}

#undef TENZO_LANEWISE

/// The sum of all lanes by halves: lane i + lane i + size/2, and so on down to one.
template <Real T>
TENZO_INLINE T sum(const Simd<T>& a) {
  T lane[Simd<T>::size];
  a.store(lane);
  for (int half = Simd<T>::size / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] = lane[i] + lane[i + half];
  return lane[0];
}
/// The largest lane, with the order and the NaN rule of `max`.
template <Real T>
TENZO_INLINE T max_lane(const Simd<T>& a) {
  T lane[Simd<T>::size];
  a.store(lane);
  for (int half = Simd<T>::size / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] = detail::max(lane[i], lane[i + half]);
  return lane[0];
}

}  // namespace tenzo

TENZO_INTRINSICS_END
