// Rotary position embedding: pairs of a head's numbers turn by an angle that grows with the token's position.
#pragma once

#include <cmath>
#include <cstdint>

#include "lines.hpp"
#include "tenzo/cuda/rope.hpp"

namespace tenzo::cuda {

namespace detail {

/// y = x with each pair (a, b) turned: (a cos − b sin, b cos + a sin).
///   Mapping  a thread `width` pairs of a head (or `width` numbers that do not turn), first all of a head's, then the
///            next head's: the heads of a token find cosines and sines in the cache.
///   Bound by memory: x is read and y written once.
template <class T, int width, RopeLayout layout, bool aligned>
struct RopeKernel {
  static constexpr int max_threads = 256;
  std::int64_t threads, heads, turning, slots;  // threads of a head that turn, and all of them
  std::int64_t pairs;
  HeadStrides from, to;
  T sign;
  const T *cos, *sin;
  const std::int64_t* positions;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= threads) return;
    const std::int64_t line = i / slots, slot = i - line * slots, token = line / heads, head = line - token * heads;
    const T* const a = x + token * from.token + head * from.head;
    T* const b = y + token * to.token + head * to.head;
    if (slot >= turning) {
      const std::int64_t at = 2 * pairs + (slot - turning) * width;
      store<width>(b + at, load<width>(a + at));
      return;
    }
    const std::int64_t pair = slot * width, angle = load(positions + token) * pairs + pair;
    const auto c = load<width>(cos + angle), s = load<width>(sin + angle);
    Pack<T, width> u, v;
    if constexpr (layout == RopeLayout::half) {
      u = load<width>(a + pair), v = load<width>(a + pair + pairs);
    } else if constexpr (!aligned) {
      u[0] = load(a + 2 * pair), v[0] = load(a + 2 * pair + 1);
    } else {
      const auto p = load<2 * width>(a + 2 * pair);
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) u[j] = p[2 * j], v[j] = p[2 * j + 1];
    }
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) {
      const T n = sign * s[j], first = u[j], second = v[j];
      u[j] = std::fma(first, c[j], -(second * n));
      v[j] = std::fma(second, c[j], first * n);
    }
    if constexpr (layout == RopeLayout::half) {
      store<width>(b + pair, u), store<width>(b + pair + pairs, v);
    } else if constexpr (!aligned) {
      store(b + 2 * pair, u[0]), store(b + 2 * pair + 1, v[0]);
    } else {
      Pack<T, 2 * width> p;
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) p[2 * j] = u[j], p[2 * j + 1] = v[j];
      store<2 * width>(b + 2 * pair, p);
    }
  }
};

template <RopeLayout layout, class T>
void launch_rope(const RopeShape& s, const T* cos, const T* sin, const std::int64_t* positions, const T* x, T* y) {
  const std::int64_t rest = x == y ? 0 : s.dim - 2 * s.pairs;  // in place, what does not turn is there
  const auto run = [&](auto w, auto is_aligned) {
    constexpr int width = w();
    const std::int64_t turning = s.pairs / width, slots = turning + rest / width;
    const std::int64_t threads = s.tokens * s.heads * slots;
    if (threads == 0) return;
    launch(RopeKernel<T, width, layout, is_aligned()>{threads, s.heads, turning, slots, s.pairs, s.from, s.to,
                                                      s.inverse ? T(-1) : T(1), cos, sin, positions, x, y},
           blocks_for(threads, 256), 256);
  };
  constexpr int width = layout == RopeLayout::half ? wide<T> : wide<T> / 2;  // pairs in an access
  const auto aligned = [](auto... n) { return ((n % wide<T> == 0) && ...); };
  if (s.pairs % width == 0 && aligned(2 * s.pairs, rest, s.from.token, s.from.head, s.to.token, s.to.head) &&
      is_aligned<wide<T>>(x) && is_aligned<wide<T>>(y) && is_aligned<width>(cos) && is_aligned<width>(sin))
    run(std::integral_constant<int, width>{}, std::true_type{});
  else run(std::integral_constant<int, 1>{}, std::false_type{});
}

}  // namespace detail

template <Real T>
void rope(Device, const RopeShape& s, const T* cos_table, const T* sin_table, const std::int64_t* positions, const T* x,
          T* y) {
  if (s.layout == RopeLayout::half) detail::launch_rope<RopeLayout::half>(s, cos_table, sin_table, positions, x, y);
  else detail::launch_rope<RopeLayout::interleaved>(s, cos_table, sin_table, positions, x, y);
}

}  // namespace tenzo::cuda
