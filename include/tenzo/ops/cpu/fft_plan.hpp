// How a discrete Fourier transform of one length is computed: its factors, twiddles and order; and the passes, on a
// vector of transforms at a time.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/detail/gemm_kernel.hpp"
#include "tenzo/core/simd.hpp"

namespace tenzo::cpu {

/// A complex number in every lane.
template <Real T>
struct ComplexLanes {
  Simd<T> re, im;

  static constexpr std::int64_t numbers = 2 * Simd<T>::size;  // what one of them takes in memory
  TENZO_INLINE static ComplexLanes load(const T* p) { return {Simd<T>::load(p), Simd<T>::load(p + Simd<T>::size)}; }
  TENZO_INLINE void store(T* p) const {
    re.store(p);
    im.store(p + Simd<T>::size);
  }
};

template <Real T>
TENZO_INLINE ComplexLanes<T> operator+(const ComplexLanes<T>& a, const ComplexLanes<T>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <Real T>
TENZO_INLINE ComplexLanes<T> operator-(const ComplexLanes<T>& a, const ComplexLanes<T>& b) {
  return {a.re - b.re, a.im - b.im};
}
/// −i a.
template <Real T>
TENZO_INLINE ComplexLanes<T> minus_i(const ComplexLanes<T>& a) {
  return {a.im, Simd<T>(T(0)) - a.re};
}

/// e^(−2πi k / n), rounded once: the angle is brought into the first octant by whole numbers.
inline std::pair<double, double> unit_root(std::int64_t k, std::int64_t n) {
  constexpr long double pi = 3.14159265358979323846264338327950288L;
  k %= n;
  // 8 k / n = octant + the rest; odd octants are walked from their end.
  const std::int64_t octant = 8 * k / n, rest = 8 * k - octant * n;
  const bool odd = octant % 2;
  const long double angle = pi / 4 * (long double)(odd ? n - rest : rest) / (long double)n;
  double c = double(std::cos(angle)), s = double(std::sin(angle));
  if (odd) s = -s;
  for (std::int64_t quarter = (octant + 1) / 2; quarter > 0; --quarter) c = -std::exchange(s, c);
  return {c, -s};
}

}  // namespace tenzo::cpu

namespace tenzo::detail {

/// w · a for a root of unity given as re, im, −im.
template <Real T>
TENZO_INLINE cpu::ComplexLanes<T> turned(const cpu::ComplexLanes<T>& a, const T* w) {
  const Simd<T> re(w[0]), im(w[1]), minus(w[2]);
  return {fmadd(a.re, re, a.im * minus), fmadd(a.re, im, a.im * re)};
}

/// cos and sin of 2π j / R for 0 <= j < R.
template <Real T, int R>
struct Roots {
  std::array<T, R> cos, sin;
  Roots() {
    for (int j = 0; j < R; ++j) {
      const auto [c, s] = cpu::unit_root(j, R);
      cos[std::size_t(j)] = T(c);
      sin[std::size_t(j)] = T(-s);
    }
  }
};

/// The transform of R numbers, in place.
template <Real T, int R>
struct Butterfly {
  static_assert(R % 2 == 1);
  const Roots<T, R> roots;

  // By pairs: X[p], X[R − p] = a0 + Σ cos(2π j p / R) (a_j + a_{R−j}) ∓ i Σ sin(2π j p / R) (a_j − a_{R−j}).
  TENZO_INLINE void operator()(cpu::ComplexLanes<T> (&a)[R]) const {
    constexpr int half = R / 2;
    cpu::ComplexLanes<T> s[half], d[half];
    TENZO_CPU_UNROLL
    for (int j = 0; j < half; ++j) {
      s[j] = a[1 + j] + a[R - 1 - j];
      d[j] = a[1 + j] - a[R - 1 - j];
    }
    const cpu::ComplexLanes<T> a0 = a[0];
    TENZO_CPU_UNROLL
    for (int j = 0; j < half; ++j) a[0] = a[0] + s[j];
    TENZO_CPU_UNROLL
    for (int p = 1; p <= half; ++p) {
      cpu::ComplexLanes<T> even = a0, odd{Simd<T>(T(0)), Simd<T>(T(0))};
      TENZO_CPU_UNROLL
      for (int j = 0; j < half; ++j) {
        const std::size_t at = std::size_t((j + 1) * p % R);
        const Simd<T> c(roots.cos[at]), w(roots.sin[at]);
        even = {fmadd(c, s[j].re, even.re), fmadd(c, s[j].im, even.im)};
        odd = {fmadd(w, d[j].re, odd.re), fmadd(w, d[j].im, odd.im)};
      }
      const cpu::ComplexLanes<T> turned_odd = cpu::minus_i(odd);
      a[p] = even + turned_odd;
      a[R - p] = even - turned_odd;
    }
  }
};

template <Real T>
struct Butterfly<T, 2> {
  TENZO_INLINE void operator()(cpu::ComplexLanes<T> (&a)[2]) const {
    const cpu::ComplexLanes<T> b = a[1];
    a[1] = a[0] - b;
    a[0] = a[0] + b;
  }
};

template <Real T>
struct Butterfly<T, 4> {
  TENZO_INLINE void operator()(cpu::ComplexLanes<T> (&a)[4]) const {
    const cpu::ComplexLanes<T> s = a[0] + a[2], d = a[0] - a[2], t = a[1] + a[3], e = cpu::minus_i(a[1] - a[3]);
    a[0] = s + t;
    a[1] = d + e;
    a[2] = s - t;
    a[3] = d - e;
  }
};

template <Real T>
struct Butterfly<T, 8> {
  TENZO_INLINE void operator()(cpu::ComplexLanes<T> (&a)[8]) const {
    const Simd<T> root_half(T(0.70710678118654752440));
    cpu::ComplexLanes<T> even[4] = {a[0], a[2], a[4], a[6]}, odd[4] = {a[1], a[3], a[5], a[7]};
    Butterfly<T, 4>{}(even);
    Butterfly<T, 4>{}(odd);
    odd[1] = {(odd[1].re + odd[1].im) * root_half, (odd[1].im - odd[1].re) * root_half};
    odd[2] = cpu::minus_i(odd[2]);
    odd[3] = {(odd[3].im - odd[3].re) * root_half, Simd<T>(T(0)) - (odd[3].re + odd[3].im) * root_half};
    TENZO_CPU_UNROLL
    for (int k = 0; k < 4; ++k) {
      a[k] = even[k] + odd[k];
      a[k + 4] = even[k] - odd[k];
    }
  }
};

/// One pass: blocks of R transforms of length m become one transform of length R m each.
///   w   the roots e^(−2πi q k / (R m)) for k < m and 1 <= q < R, three numbers each; not read where m = 1
template <Real T, int R, bool First>
void fft_pass(std::int64_t n, std::int64_t m, const T* w, T* data) {
  constexpr std::int64_t one = cpu::ComplexLanes<T>::numbers;
  static const Butterfly<T, R> butterfly{};
  for (std::int64_t base = 0; base < n; base += R * m) {
    const T* root = w;
    for (std::int64_t k = base; k < base + m; ++k) {
      cpu::ComplexLanes<T> a[R];
      TENZO_CPU_UNROLL
      for (int q = 0; q < R; ++q) {
        a[q] = cpu::ComplexLanes<T>::load(data + (k + q * m) * one);
        if (!First && q > 0) {
          a[q] = turned(a[q], root);
          root += 3;
        }
      }
      butterfly(a);
      TENZO_CPU_UNROLL
      for (int q = 0; q < R; ++q) a[q].store(data + (k + q * m) * one);
    }
  }
}

}  // namespace tenzo::detail

namespace tenzo::cpu {

/// The transform of a length n = 8^a 4^b 2^c 3^d 5^e 7^f, decimated in time: numbers are put in at `position(j)` and
/// come out in order.
template <Real T>
class FftPlan {
 public:
  explicit FftPlan(std::int64_t n) : n_(n), position_(std::size_t(n)) {
    std::vector<int> radices = factors(n);
    std::int64_t m = 1;
    for (const int r : radices) {
      passes_.push_back({r, m, roots_.size()});
      for (std::int64_t k = 0; m > 1 && k < m; ++k)
        for (std::int64_t q = 1; q < r; ++q) {
          const auto [c, s] = unit_root(q * k, r * m);
          roots_.insert(roots_.end(), {T(c), T(s), T(-s)});
        }
      m *= r;
    }
    place(radices.size(), 0, 1, 0);
  }

  /// Factors of n, none above 8; empty where n has a prime factor above 7, or is 1.
  static std::vector<int> factors(std::int64_t n) {
    std::vector<int> odd, all;
    for (const int p : {7, 5, 3})
      for (; n % p == 0; n /= p) odd.push_back(p);
    for (; n % 8 == 0 && n != 16; n /= 8) all.push_back(8);
    for (; n % 4 == 0; n /= 4) all.push_back(4);
    if (n == 2) all.push_back(2);
    else if (n != 1) return {};
    all.insert(all.end(), odd.begin(), odd.end());
    return all;
  }
  static bool has_factors(std::int64_t n) { return n == 1 || !factors(n).empty(); }

  std::int64_t size() const { return n_; }
  std::int64_t position(std::int64_t j) const { return position_[std::size_t(j)]; }

  /// X[k] = Σ x[j] e^(−2πi j k / n), of n ComplexLanes in memory.
  void run(T* data) const {
    for (const Pass& p : passes_) {
      switch (p.radix) {
        case 2: pass<2>(p, data); break;
        case 3: pass<3>(p, data); break;
        case 4: pass<4>(p, data); break;
        case 5: pass<5>(p, data); break;
        case 7: pass<7>(p, data); break;
        default: pass<8>(p, data);
      }
    }
  }

 private:
  struct Pass {
    int radix;
    std::int64_t m;
    std::size_t roots;
  };

  template <int R>
  void pass(const Pass& p, T* data) const {
    if (p.m == 1) detail::fft_pass<T, R, true>(n_, 1, nullptr, data);
    else detail::fft_pass<T, R, false>(n_, p.m, roots_.data() + p.roots, data);
  }

  /// The first `count` passes transform the numbers first, first + stride, … which stand at `at`, at + 1, …
  void place(std::size_t count, std::int64_t first, std::int64_t stride, std::int64_t at) {
    if (count == 0) {
      position_[std::size_t(first)] = at;
      return;
    }
    const Pass& last = passes_[count - 1];
    for (std::int64_t q = 0; q < last.radix; ++q)
      place(count - 1, first + q * stride, stride * last.radix, at + q * last.m);
  }

  std::int64_t n_;
  std::vector<Pass> passes_;
  std::vector<T> roots_;
  std::vector<std::int64_t> position_;
};

}  // namespace tenzo::cpu
