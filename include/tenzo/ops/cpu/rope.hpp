// Rotary position embedding: pairs of a head's numbers turn by an angle that grows with the token's position.
//   Source  Su et al. 2021, "RoFormer", section 3.2.2.
#pragma once

#include <cmath>
#include <concepts>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/ops/cpu/head_strides.hpp"
#include "tenzo/ops/cpu/lanes.hpp"

namespace tenzo::cpu {

/// Which numbers of a head of `rotary` turning numbers form pair i.
enum class RopeLayout {
  half,         // i and i + rotary / 2
  interleaved,  // 2 i and 2 i + 1
};

/// Angles a position of the pairs: base^(−2 i / rotary).
inline std::vector<double> rope_frequencies(std::int64_t rotary, double base) {
  std::vector<double> f;
  for (std::int64_t i = 0; i < rotary / 2; ++i) f.push_back(std::pow(base, -2. * double(i) / double(rotary)));
  return f;
}

/// cos and sin of position · frequency, (positions, pairs), computed in double.
template <Real T>
struct RopeTable {
  std::int64_t positions = 0, pairs = 0;
  std::vector<T> cos, sin;

  RopeTable() = default;
  /// For positions 0 … count − 1; `size` multiplies both, as some long-context schemes ask.
  RopeTable(std::int64_t count, const std::vector<double>& frequencies, double size = 1)
      : positions(count), pairs(std::int64_t(frequencies.size())) {
    cos.reserve(std::size_t(count * pairs));
    sin.reserve(std::size_t(count * pairs));
    for (std::int64_t p = 0; p < count; ++p)
      for (double f : frequencies) {
        cos.push_back(T(size * std::cos(double(p) * f)));
        sin.push_back(T(size * std::sin(double(p) * f)));
      }
  }
};

struct RopeShape {
  std::int64_t tokens, heads, dim;  // the first 2 · table.pairs numbers of a head turn, the others stay
  RopeLayout layout = RopeLayout::half;
  bool inverse = false;  // turn back: the gradient
};

/// y = x with each pair (a, b) turned: (a cos − b sin, b cos + a sin) of the token's row of the table.
///   y may be x (with the same strides).
///   Throws ValueError where a position is not in the table, ShapeError where a head is shorter than what turns.
template <Real T, std::integral Position>
void rope(const RopeShape& s, const RopeTable<T>& table, const Position* positions, const T* x, HeadStrides from, T* y,
          HeadStrides to) {
  const std::int64_t pairs = table.pairs, rotary = 2 * pairs;
  expect(rotary <= s.dim, "rope: the table turns ", rotary, " numbers of a head, which has ", s.dim);
  for_rows(s.tokens, s.heads * s.dim, [&](std::int64_t t) {
    const std::int64_t p = std::int64_t(positions[t]);
    require(0 <= p && p < table.positions, "rope: position ", p, " of token ", t, " is not in [0, ", table.positions,
            ')');
    const T *cos = table.cos.data() + p * pairs, *sin = table.sin.data() + p * pairs;
    const T sign = s.inverse ? T(-1) : T(1);
    for (std::int64_t h = 0; h < s.heads; ++h) {
      const T* a = x + t * from.token + h * from.head;
      T* b = y + t * to.token + h * to.head;
      if (s.layout == RopeLayout::half) {
#pragma omp simd
        for (std::int64_t i = 0; i < pairs; ++i) {
          const T u = a[i], v = a[i + pairs], n = sign * sin[i];
          b[i] = std::fma(u, cos[i], -(v * n));
          b[i + pairs] = std::fma(v, cos[i], u * n);
        }
      } else {
#pragma omp simd
        for (std::int64_t i = 0; i < pairs; ++i) {
          const T u = a[2 * i], v = a[2 * i + 1], n = sign * sin[i];
          b[2 * i] = std::fma(u, cos[i], -(v * n));
          b[2 * i + 1] = std::fma(v, cos[i], u * n);
        }
      }
      if (b != a) std::copy(a + rotary, a + s.dim, b + rotary);
    }
  });
}

}  // namespace tenzo::cpu
