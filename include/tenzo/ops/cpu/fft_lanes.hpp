// Lines of complex or real numbers in memory, read into and written from lanes: side by side, one after another, or
// scattered.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tenzo/core/simd.hpp"
#include "tenzo/ops/cpu/fft_plan.hpp"
#include "tenzo/ops/cpu/transpose.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace tenzo::detail {

/// Pairs (re, im) in two vectors, apart; and together again.
template <Real T>
TENZO_INLINE cpu::ComplexLanes<T> apart(const Simd<T>& low, const Simd<T>& high) {
  constexpr int n = Simd<T>::size;
  T pairs[2 * n], lane[2 * n];
  low.store(pairs);
  high.store(pairs + n);
  for (int i = 0; i < n; ++i) lane[i] = pairs[2 * i], lane[n + i] = pairs[2 * i + 1];
  return cpu::ComplexLanes<T>::load(lane);
}
template <Real T>
TENZO_INLINE void together(const cpu::ComplexLanes<T>& v, Simd<T>& low, Simd<T>& high) {
  constexpr int n = Simd<T>::size;
  T lane[2 * n], pairs[2 * n];
  v.store(lane);
  for (int i = 0; i < n; ++i) pairs[2 * i] = lane[i], pairs[2 * i + 1] = lane[n + i];
  low = Simd<T>::load(pairs);
  high = Simd<T>::load(pairs + n);
}

#if defined(TENZO_AVX512)

TENZO_INLINE cpu::ComplexLanes<float> apart(const Simd<float>& low, const Simd<float>& high) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
  cpu::ComplexLanes<float> v;
  v.re.part[0] = _mm512_permutex2var_ps(low.part[0], even, high.part[0]);
  v.im.part[0] = _mm512_permutex2var_ps(low.part[0], odd, high.part[0]);
  return v;
}
TENZO_INLINE void together(const cpu::ComplexLanes<float>& v, Simd<float>& low, Simd<float>& high) {
  const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i second = _mm512_or_si512(first, _mm512_set1_epi32(8));
  low.part[0] = _mm512_permutex2var_ps(v.re.part[0], first, v.im.part[0]);
  high.part[0] = _mm512_permutex2var_ps(v.re.part[0], second, v.im.part[0]);
}
TENZO_INLINE void store_whole(const Simd<float> (&v)[4], float* to, std::int64_t plane) {
  __m512 r[4];
  TENZO_CPU_UNROLL
  for (int j = 0; j < 4; ++j) r[j] = v[j].part[0];
  exchange4(r);
  TENZO_CPU_UNROLL
  for (int j = 0; j < 4; ++j) {
    float* p = to + j * plane;
    _mm_storeu_ps(p, _mm512_castps512_ps128(r[j]));
    _mm_storeu_ps(p + 4 * plane, _mm512_extractf32x4_ps(r[j], 1));
    _mm_storeu_ps(p + 8 * plane, _mm512_extractf32x4_ps(r[j], 2));
    _mm_storeu_ps(p + 12 * plane, _mm512_extractf32x4_ps(r[j], 3));
  }
}

#elif defined(TENZO_AVX2)

TENZO_INLINE cpu::ComplexLanes<float> apart(const Simd<float>& low, const Simd<float>& high) {
  const auto ordered = [](__m256 x) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(x), 0xd8)); };
  cpu::ComplexLanes<float> v;
  TENZO_CPU_UNROLL
  for (int h = 0; h < 2; ++h) {
    const __m256 a = h ? high.part[0] : low.part[0], b = h ? high.part[1] : low.part[1];
    v.re.part[h] = ordered(_mm256_shuffle_ps(a, b, 0x88));
    v.im.part[h] = ordered(_mm256_shuffle_ps(a, b, 0xdd));
  }
  return v;
}
TENZO_INLINE void together(const cpu::ComplexLanes<float>& v, Simd<float>& low, Simd<float>& high) {
  TENZO_CPU_UNROLL
  for (int h = 0; h < 2; ++h) {
    const __m256 a = _mm256_unpacklo_ps(v.re.part[h], v.im.part[h]), b = _mm256_unpackhi_ps(v.re.part[h], v.im.part[h]);
    Simd<float>& to = h ? high : low;
    to.part[0] = _mm256_permute2f128_ps(a, b, 0x20);
    to.part[1] = _mm256_permute2f128_ps(a, b, 0x31);
  }
}
TENZO_INLINE void store_whole(const Simd<float> (&v)[4], float* to, std::int64_t plane) {
  TENZO_CPU_UNROLL
  for (int h = 0; h < 2; ++h) {
    __m256 r[4];
    TENZO_CPU_UNROLL
    for (int j = 0; j < 4; ++j) r[j] = v[j].part[h];
    exchange4(r);
    TENZO_CPU_UNROLL
    for (int j = 0; j < 4; ++j) {
      float* p = to + (8 * h + j) * plane;
      _mm_storeu_ps(p, _mm256_castps256_ps128(r[j]));
      _mm_storeu_ps(p + 4 * plane, _mm256_extractf128_ps(r[j], 1));
    }
  }
}

#endif

/// to[o plane + j] = v[j] of lane o: the way back of load_whole.
template <Real T>
TENZO_INLINE void store_whole(const Simd<T> (&v)[4], T* to, std::int64_t plane) {
  T lane[4][Simd<T>::size];
  for (int j = 0; j < 4; ++j) v[j].store(lane[j]);
  for (int o = 0; o < Simd<T>::size; ++o)
    for (int j = 0; j < 4; ++j) to[o * plane + j] = lane[j][o];
}

}  // namespace tenzo::detail

namespace tenzo::cpu {

/// w lines of complex numbers side by side: number j of line l at start + j step + 2 l.
template <Real T>
struct ColumnLines {
  std::int64_t start, step, w, n;

  template <class F>
  void read(const T* x, F&& f) const {
    constexpr std::int64_t lanes = Simd<T>::size;
    for (std::int64_t j = 0; j < n; ++j) {
      const T* p = x + start + j * step;
      if (w == lanes) f(j, detail::apart(Simd<T>::load(p), Simd<T>::load(p + lanes)));
      else
        f(j, detail::apart(Simd<T>::load(p, std::min(lanes, 2 * w)),
                           Simd<T>::load(p + lanes, std::max<std::int64_t>(0, 2 * w - lanes))));
    }
  }

  class Writer {
   public:
    Writer(const ColumnLines& lines, T* y) : lines_(lines), y_(y + lines.start) {}
    TENZO_INLINE void write(std::int64_t k, const ComplexLanes<T>& v) {
      constexpr std::int64_t lanes = Simd<T>::size;
      Simd<T> low, high;
      detail::together(v, low, high);
      T* p = y_ + k * lines_.step;
      if (lines_.w == lanes) {
        low.store(p);
        high.store(p + lanes);
      } else {
        low.store(p, std::min(lanes, 2 * lines_.w));
        high.store(p + lanes, std::max<std::int64_t>(0, 2 * lines_.w - lanes));
      }
    }

   private:
    const ColumnLines& lines_;
    T* y_;
  };
};

/// w lines of real numbers side by side: number i of line l at start + i step + l. They come in pairs of neighbours
/// along the line; the last of an odd number has a zero beside it.
template <Real T>
struct RealColumnLines {
  std::int64_t start, step, w, n;

  template <class F>
  void read(const T* x, F&& f) const {
    const T* p = x + start;
    for (std::int64_t j = 0; 2 * j < n; ++j, p += 2 * step)
      f(j, ComplexLanes<T>{load(p), 2 * j + 1 < n ? load(p + step) : Simd<T>(T(0))});
  }

  class Writer {
   public:
    Writer(const RealColumnLines& lines, T* y) : lines_(lines), y_(y + lines.start) {}
    TENZO_INLINE void write(std::int64_t j, const ComplexLanes<T>& v) {
      T* p = y_ + 2 * j * lines_.step;
      lines_.store(v.re, p);
      if (2 * j + 1 < lines_.n) lines_.store(v.im, p + lines_.step);
    }

   private:
    const RealColumnLines& lines_;
    T* y_;
  };

 private:
  TENZO_INLINE Simd<T> load(const T* p) const { return w == Simd<T>::size ? Simd<T>::load(p) : Simd<T>::load(p, w); }
  TENZO_INLINE void store(const Simd<T>& v, T* p) const {
    if (w == Simd<T>::size) v.store(p);
    else v.store(p, w);
  }
};

/// As many whole lines as there are lanes, one after another: n numbers of T of line l from start + l step on. They
/// come in pairs of neighbours, which are complex numbers or two real ones; the last of an odd n has a zero beside it.
template <Real T>
struct RowLines {
  std::int64_t start, step, n;

  template <class F>
  void read(const T* x, F&& f) const {
    const T* p = x + start;
    // Hardware does not foresee so many short streams, of which the next block's begin where these end.
    const char* ahead = reinterpret_cast<const char*>(p + Simd<T>::size * step);
    std::int64_t j = 0;
    for (; 2 * j + 4 <= n; j += 2) {
      for (int line = 0; line < 4; ++line, ahead += 64) __builtin_prefetch(ahead, 0, 2);
      Simd<T> v[4];
      detail::load_whole(p + 2 * j, step, v);
      f(j, ComplexLanes<T>{v[0], v[1]});
      f(j + 1, ComplexLanes<T>{v[2], v[3]});
    }
    const std::int64_t rest = n - 2 * j;
    if (rest == 0) return;
    T lane[4][Simd<T>::size] = {};
    for (std::int64_t l = 0; l < Simd<T>::size; ++l)
      for (std::int64_t i = 0; i < rest; ++i) lane[i][l] = p[l * step + 2 * j + i];
    f(j, ComplexLanes<T>::load(lane[0]));
    if (rest > 2) f(j + 1, ComplexLanes<T>::load(lane[2]));
  }

  /// Writes pairs two by two; they come in order.
  class Writer {
   public:
    Writer(const RowLines& lines, T* y) : lines_(lines), y_(y + lines.start) {}
    TENZO_INLINE void write(std::int64_t j, const ComplexLanes<T>& v) {
      const bool second = j % 2;
      if (second && 2 * j + 2 <= lines_.n) {
        detail::store_whole({before_.re, before_.im, v.re, v.im}, y_ + 2 * (j - 1), lines_.step);
      } else if (!second && 2 * j + 2 < lines_.n) {
        before_ = v;
      } else {
        T lane[4][Simd<T>::size];
        if (second) before_.store(lane[0]);
        v.store(lane[second ? 2 : 0]);
        const std::int64_t first = second ? 2 * j - 2 : 2 * j;
        for (std::int64_t l = 0; l < Simd<T>::size; ++l)
          for (std::int64_t i = first; i < lines_.n; ++i) y_[l * lines_.step + i] = lane[i - first][l];
      }
    }

   private:
    const RowLines& lines_;
    T* y_;
    ComplexLanes<T> before_;
  };
};

/// Up to as many lines as there are lanes, anywhere: pair j of line l at start[l] + j step, its second number `next`
/// further, n numbers of T in all. The pairs are complex numbers or two real ones; the last of an odd n has a zero
/// beside it.
template <Real T>
struct ScatteredLines {
  std::int64_t w, step, next, n;
  std::array<std::int64_t, std::size_t(Simd<T>::size)> start;

  template <class F>
  void read(const T* x, F&& f) const {
    T lane[ComplexLanes<T>::numbers] = {};
    for (std::int64_t j = 0; 2 * j < n; ++j) {
      const bool whole = 2 * j + 1 < n;
      for (std::int64_t l = 0; l < w; ++l) {
        const T* p = x + start[std::size_t(l)] + j * step;
        lane[l] = p[0], lane[Simd<T>::size + l] = whole ? p[next] : T(0);
      }
      f(j, ComplexLanes<T>::load(lane));
    }
  }

  class Writer {
   public:
    Writer(const ScatteredLines& lines, T* y) : lines_(lines), y_(y) {}
    void write(std::int64_t j, const ComplexLanes<T>& v) {
      T lane[ComplexLanes<T>::numbers];
      v.store(lane);
      const bool whole = 2 * j + 1 < lines_.n;
      for (std::int64_t l = 0; l < lines_.w; ++l) {
        T* p = y_ + lines_.start[std::size_t(l)] + j * lines_.step;
        p[0] = lane[l];
        if (whole) p[lines_.next] = lane[Simd<T>::size + l];
      }
    }

   private:
    const ScatteredLines& lines_;
    T* y_;
  };
};

}  // namespace tenzo::cpu

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
