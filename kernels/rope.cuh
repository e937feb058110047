// Rotary position embedding: pairs of a head's numbers turn by an angle that grows with the token's position.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lines.hpp"
#include "tenzo/cuda/rope.hpp"

namespace tenzo::cuda {

namespace detail {

/// y = x with each pair (a, b) turned: (a cos − b sin, b cos + a sin).
///   Mapping  a thread the pairs of one access of `unit` numbers (or two accesses, where pairs lie apart), or an access
///            of numbers that do not turn; first all of a head's, then the next head's: the heads of a token find
///            cosines and sines in the cache. Strides and lengths are in accesses.
///   Bound by memory: x is read and y written once.
template <class T, int unit, RopeLayout layout>
struct RopeKernel {
  static constexpr int max_threads = 256;
  static constexpr bool half = layout == RopeLayout::half;
  static constexpr int width = half ? unit : std::max(1, unit / 2);  // pairs of a thread
  using Access = Pack<T, unit>;
  std::int64_t threads, heads, turning, slots, pairs;  // threads of a head that turn, and all of them
  HeadStrides from, to;
  T sign;
  const T *cos, *sin;
  const std::int64_t* positions;
  const Access* x;
  Access* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= threads) return;
    const std::int64_t line = i / slots, slot = i % slots, token = line / heads, head = line % heads;
    const Access* const a = x + (token * from.token + head * from.head);
    Access* const b = y + (token * to.token + head * to.head);
    if (slot >= turning) {
      const std::int64_t at = 2 * pairs / unit + slot - turning;
      store(b + at, load(a + at));
      return;
    }
    const std::int64_t angle = load(positions + token) * pairs + slot * width;
    const auto c = load<width>(cos + angle), s = load<width>(sin + angle);
    if constexpr (half || unit == 1) {
      const std::int64_t first = half ? slot : 2 * slot, second = half ? slot + turning : first + 1;
      Access u = load(a + first), v = load(a + second);
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) turn(u[j], v[j], c[j], s[j]);
      store(b + first, u), store(b + second, v);
    } else {
      Access p = load(a + slot);
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) turn(p[2 * j], p[2 * j + 1], c[j], s[j]);
      store(b + slot, p);
    }
  }

 private:
  TENZO_DEVICE void turn(T& u, T& v, T c, T s) const {
    const T n = sign * s, first = u;
    u = std::fma(first, c, -(v * n));
    v = std::fma(v, c, first * n);
  }
};

template <int unit, RopeLayout layout, class T>
void launch_rope(const RopeShape& s, const T* cos, const T* sin, const std::int64_t* positions, const T* x, T* y) {
  using K = RopeKernel<T, unit, layout>;
  const std::int64_t rest = x == y ? 0 : s.dim - 2 * s.pairs;  // in place, what does not turn is there
  const std::int64_t turning = s.pairs / K::width, slots = turning + rest / unit, threads = s.tokens * s.heads * slots;
  if (threads == 0) return;
  const auto accesses = [](const HeadStrides& h) { return HeadStrides{h.token / unit, h.head / unit}; };
  launch(K{threads, s.heads, turning, slots, s.pairs, accesses(s.from), accesses(s.to), s.inverse ? T(-1) : T(1), cos,
           sin, positions, reinterpret_cast<const typename K::Access*>(x), reinterpret_cast<typename K::Access*>(y)},
         blocks_for(threads, 256), 256);
}

template <RopeLayout layout, class T>
void rope_of(const RopeShape& s, const T* cos, const T* sin, const std::int64_t* positions, const T* x, T* y) {
  constexpr int unit = wide<T>, width = RopeKernel<T, unit, layout>::width;
  const auto whole = [](auto... n) { return ((n % unit == 0) && ...); };
  const bool aligned = is_aligned<unit>(x) && is_aligned<unit>(y) && is_aligned<width>(cos) && is_aligned<width>(sin);
  if (aligned && s.pairs % width == 0 && whole(2 * s.pairs, s.dim, s.from.token, s.from.head, s.to.token, s.to.head))
    launch_rope<unit, layout>(s, cos, sin, positions, x, y);
  else launch_rope<1, layout>(s, cos, sin, positions, x, y);
}

}  // namespace detail

template <Real T>
void rope(Device, const RopeShape& s, const T* cos_table, const T* sin_table, const std::int64_t* positions, const T* x,
          T* y) {
  if (s.layout == RopeLayout::half) detail::rope_of<RopeLayout::half>(s, cos_table, sin_table, positions, x, y);
  else detail::rope_of<RopeLayout::interleaved>(s, cos_table, sin_table, positions, x, y);
}

}  // namespace tenzo::cuda
