// Softmax, log-softmax and logsumexp along one axis of (outer, n, inner), with their gradients.
//
// Every function may work in place. A line of −∞ alone gives logsumexp −∞ and softmax NaN; a NaN makes its whole line
// NaN.
#pragma once

#include <cmath>

#include "tenzo/core/device.hpp"
#include "tenzo/core/math.hpp"
#include "tenzo/ops/cpu/lanes.hpp"

namespace tenzo::cpu {

/// Σ eˣ of some numbers as sum · e^max: log Σ eˣ = max + log sum.
template <Real T>
struct MaxAndSum {
  T max = -std::numeric_limits<T>::infinity();
  T sum = 0;

  T log() const { return anchor(max) + math::log(sum); }

  /// What is subtracted before the exponential: the maximum, or 0 where that is infinite.
  static T anchor(T max) { return std::abs(max) < std::numeric_limits<T>::infinity() ? max : T(0); }

  MaxAndSum join(const MaxAndSum& other) const {
    const T m = std::max(max, other.max), a = anchor(m);
    return {m, sum * math::exp(max - a) + other.sum * math::exp(other.max - a)};
  }
};

/// The largest of x[0 … n); NaNs are passed over, −∞ without numbers.
template <Real T>
T max_of(const T* x, std::int64_t n) {
  using V = Simd<T>;
  constexpr T low = -std::numeric_limits<T>::infinity();
  constexpr std::int64_t chains = 4;
  V m[chains];
  for (V& c : m) c = V(low);
  std::int64_t i = 0;
  for (; i + chains * V::size <= n; i += chains * V::size)
    for (std::int64_t c = 0; c < chains; ++c) m[c] = max(V::load(x + i + c * V::size), m[c]);
  for (; i < n; i += V::size) m[0] = max(load_lanes(x + i, std::min<std::int64_t>(V::size, n - i), low), m[0]);
  return max_lane(max(max(m[0], m[1]), max(m[2], m[3])));
}

/// Σ eˣ of a row in one pass over memory: maximum and sum of runs that stay in the first cache, joined.
///   Error of the sum: about 3 ulp of its own and half an ulp of the largest |x|.
template <Real T>
MaxAndSum<T> max_and_sum(const T* x, std::int64_t n) {
  using V = Simd<T>;
  constexpr T low = -std::numeric_limits<T>::infinity();
  MaxAndSum<T> all;
  for (std::int64_t begin = 0; begin < n; begin += sum_run_length) {
    const T* run = x + begin;
    const std::int64_t length = std::min(sum_run_length, n - begin);
    const T m = max_of(run, length);
    const V a(MaxAndSum<T>::anchor(m));
    const T s = sum_lanes<T>(
        length, [&](std::int64_t i, std::int64_t w) { return math::exp(load_lanes(run + i, w, low) - a); });
    all = all.join({m, s});
  }
  return all;
}

/// For each of w columns the largest number, or 0 where that is infinite.
template <Real T>
TENZO_INLINE Simd<T> column_anchor(const T* x, std::int64_t n, std::int64_t inner, std::int64_t w) {
  using V = Simd<T>;
  V m(-std::numeric_limits<T>::infinity());
  for (std::int64_t i = 0; i < n; ++i) m = max(load_lanes(x + i * inner, w), m);
  return where_greater(V(std::numeric_limits<T>::infinity()), abs(m), m, V(T(0)));
}

/// y[o, i] = log Σⱼ exp x[o, j, i].
template <Real T>
void logsumexp(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  using V = Simd<T>;
  if (n == 0) return void(std::fill_n(y, outer * inner, -std::numeric_limits<T>::infinity()));
  if (inner == 1) return for_rows(outer, n, [&](std::int64_t r) { y[r] = max_and_sum(x + r * n, n).log(); });
  for_columns<T>(outer, n, inner, [&](std::int64_t at, std::int64_t w) {
    const V a = column_anchor(x + at, n, inner, w);
    T lane[V::size];
    const V s = sum_columns<T>(n, [&](std::int64_t i) { return math::exp(load_lanes(x + at + i * inner, w) - a); });
    s.store(lane);
    for (T& l : lane) l = math::log(l);
    const std::int64_t o = at / (n * inner);
    store_lanes(a + V::load(lane), y + at - o * (n - 1) * inner, w);
  });
}

/// y = exp x / Σ exp x.
template <Real T>
void softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  using V = Simd<T>;
  if (inner == 1) {
    return for_rows(outer, n, [&](std::int64_t r) {
      const T* from = x + r * n;
      T* to = y + r * n;
      const V a(MaxAndSum<T>::anchor(max_of(from, n)));
      const T s = sum_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
        const V e = math::exp(load_lanes(from + i, w, -std::numeric_limits<T>::infinity()) - a);
        store_lanes(e, to + i, w);
        return e;
      });
      const V scale(T(1) / s);
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { store_lanes(load_lanes(to + i, w) * scale, to + i, w); });
    });
  }
  for_columns<T>(outer, n, inner, [&](std::int64_t at, std::int64_t w) {
    const V a = column_anchor(x + at, n, inner, w);
    const V s = sum_columns<T>(n, [&](std::int64_t i) {
      const V e = math::exp(load_lanes(x + at + i * inner, w) - a);
      store_lanes(e, y + at + i * inner, w);
      return e;
    });
    const V scale = V(T(1)) / s;
    for (T* to = y + at; to != y + at + n * inner; to += inner) store_lanes(load_lanes(to, w) * scale, to, w);
  });
}

/// y = x − log Σ exp x.
template <Real T>
void log_softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  using V = Simd<T>;
  if (inner == 1) {
    return for_rows(outer, n, [&](std::int64_t r) {
      const MaxAndSum<T> all = max_and_sum(x + r * n, n);
      const V a(MaxAndSum<T>::anchor(all.max)), l(math::log(all.sum));  // one after the other: both are exact near 0
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
        store_lanes(load_lanes(x + r * n + i, w) - a - l, y + r * n + i, w);
      });
    });
  }
  for_columns<T>(outer, n, inner, [&](std::int64_t at, std::int64_t w) {
    const V a = column_anchor(x + at, n, inner, w);
    T lane[V::size];
    sum_columns<T>(n, [&](std::int64_t i) { return math::exp(load_lanes(x + at + i * inner, w) - a); }).store(lane);
    for (T& l : lane) l = math::log(l);
    const V l = V::load(lane);
    for (std::int64_t i = at; i != at + n * inner; i += inner) store_lanes(load_lanes(x + i, w) - a - l, y + i, w);
  });
}

/// gx = f(y, gy, Σ over the line of g(y, gy)), vector by vector.
template <Real T, class G, class F>
void line_gradient(std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy, T* gx, G&& g,
                   F&& f) {
  using V = Simd<T>;
  if (inner == 1) {
    return for_rows(outer, n, [&](std::int64_t r) {
      const T *py = y + r * n, *pg = gy + r * n;
      const V s(sum_lanes<T>(
          n, [&](std::int64_t i, std::int64_t w) { return g(load_lanes(py + i, w), load_lanes(pg + i, w)); }));
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) {
        store_lanes(f(load_lanes(py + i, w), load_lanes(pg + i, w), s), gx + r * n + i, w);
      });
    });
  }
  for_columns<T>(outer, n, inner, [&](std::int64_t at, std::int64_t w) {
    const T *py = y + at, *pg = gy + at;
    const V s = sum_columns<T>(
        n, [&](std::int64_t i) { return g(load_lanes(py + i * inner, w), load_lanes(pg + i * inner, w)); });
    for (std::int64_t i = 0; i != n * inner; i += inner)
      store_lanes(f(load_lanes(py + i, w), load_lanes(pg + i, w), s), gx + at + i, w);
  });
}

/// gx = y (gy − Σ gy y) for y = softmax(x).
template <Real T>
void softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy, T* gx) {
  using V = Simd<T>;
  line_gradient(
      outer, n, inner, y, gy, gx, [](const V& p, const V& g) { return p * g; },
      [](const V& p, const V& g, const V& s) { return p * (g - s); });
}

/// gx = gy − exp(y) Σ gy for y = log_softmax(x).
template <Real T>
void log_softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy,
                          T* gx) {
  using V = Simd<T>;
  line_gradient(
      outer, n, inner, y, gy, gx, [](const V&, const V& g) { return g; },
      [](const V& l, const V& g, const V& s) { return g - math::exp(l) * s; });
}

/// gx = gy exp(x − y) for y = logsumexp(x); y and gy are (outer, inner).
template <Real T>
void logsumexp_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, const T* y,
                        const T* gy, T* gx) {
  using V = Simd<T>;
  const auto line = [](std::int64_t w, const T* from, const V& l, const V& g, T* to) {
    store_lanes(math::exp(load_lanes(from, w) - l) * g, to, w);
  };
  if (inner == 1) {
    return for_rows(outer, n, [&](std::int64_t r) {
      const V l(y[r]), g(gy[r]);
      for_lanes<T>(n, [&](std::int64_t i, std::int64_t w) { line(w, x + r * n + i, l, g, gx + r * n + i); });
    });
  }
  for_rows(outer * n, inner, [&](std::int64_t r) {
    const T *from = x + r * inner, *l = y + r / n * inner, *g = gy + r / n * inner;
    for_lanes<T>(inner, [&](std::int64_t i, std::int64_t w) {
      line(w, from + i, load_lanes(l + i, w), load_lanes(g + i, w), gx + r * inner + i);
    });
  });
}

}  // namespace tenzo::cpu
