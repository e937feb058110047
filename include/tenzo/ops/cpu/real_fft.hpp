// Discrete Fourier transforms of real numbers to the half of the spectrum that tells the rest, and back.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tenzo/ops/cpu/fft.hpp"

namespace tenzo::cpu {

/// What the two ways through half a spectrum multiply numbers by: `ends` the first and, of an even length, the last,
/// `inside` those between, which stand for two of the whole spectrum.
struct SpectrumWeights {
  double ends = 1, inside = 1;
};

/// The transform of real lines of n numbers. Of an even n = 2 m it is made of that of m complex ones,
///   z[j] = x[2 j] + i x[2 j + 1],
///   X[k] = ½ (Z[k] + conj Z[m − k]) + ½ r_k (Z[k] − conj Z[m − k]),  r_k = −i e^(−2πi k / n),  Z[m] = Z[0],
/// and back by the same steps. Of an odd n it is that of n complex numbers.
///   Source  Cooley, Lewis, Welch 1970, "The fast Fourier transform algorithm: programming considerations in the
///   calculation of sine, cosine and Laplace transforms".
template <Real T>
class RealFft {
  using C = ComplexLanes<T>;

 public:
  explicit RealFft(std::int64_t n) : n_(n), fft_(plan_of<Fft<T>>(n % 2 ? n : n / 2)) {
    for (std::int64_t k = 0; even() && 4 * k <= n; ++k) {
      const auto [c, s] = unit_root(4 * k + n, 4 * n);
      roots_.insert(roots_.end(), {T(c), T(s), T(-s)});
    }
  }

  std::int64_t size() const { return n_; }
  std::int64_t half() const { return n_ / 2 + 1; }
  std::int64_t workspace() const { return fft_->workspace() + (even() ? half() * one : 0); }

  /// y[k] = c_k Σ_j x[j] e^(−2πi j k / n) for 0 <= k <= n / 2, c the weights.
  template <class Reals, class Complexes>
  void forward(const Reals& from, const T* x, const Complexes& to, T* y, const SpectrumWeights& c, T* work) const {
    T* const z = fft_->transform(work, [&](auto&& address) {
      from.read(x, [&](std::int64_t j, const C& v) {
        if (even()) return v.store(address(j));
        C{v.re, zero()}.store(address(2 * j));
        if (2 * j + 1 < n_) C{v.im, zero()}.store(address(2 * j + 1));
      });
    });
    const Simd<T> ends(T(c.ends)), inside(T(even() ? c.inside / 2 : c.inside));
    const C first = C::load(z);
    typename Complexes::Writer writer(to, y);
    if (!even()) {
      writer.write(0, {first.re * ends, zero()});
      for (std::int64_t k = 1; k < half(); ++k) writer.write(k, times(C::load(z + k * one), inside));
      return;
    }
    const std::int64_t m = n_ / 2;
    for (std::int64_t k = 1; 2 * k <= m; ++k) {  // two conjugate halves of one sum
      const C a = C::load(z + k * one), b = C::load(z + (m - k) * one);
      const C sum = times(C{a.re + b.re, a.im - b.im}, inside);
      const C turned = detail::turned(times(C{a.re - b.re, a.im + b.im}, inside), roots_.data() + 3 * k);
      (sum + turned).store(z + k * one);
      C{sum.re - turned.re, turned.im - sum.im}.store(z + (m - k) * one);
    }
    writer.write(0, {(first.re + first.im) * ends, zero()});
    for (std::int64_t k = 1; k < m; ++k) writer.write(k, C::load(z + k * one));
    writer.write(m, {(first.re - first.im) * ends, zero()});
  }

  /// The transpose: x[j] = Σ_k c_k Re(y[k] e^(2πi j k / n)) over 0 <= k <= n / 2. It does not see the imaginary parts
  /// of the ends.
  template <class Complexes, class Reals>
  void backward(const Complexes& from, const T* y, const Reals& to, T* x, const SpectrumWeights& c, T* work) const {
    // By the forward transform between exchanges of real and imaginary part.
    const Simd<T> ends(T(c.ends)), inside(T(even() ? c.inside / 2 : c.inside));
    typename Reals::Writer writer(to, x);
    if (!even()) {
      const T* const z = fft_->transform(work, [&](auto&& address) {
        from.read(y, [&](std::int64_t k, const C& v) {
          (k == 0 ? C{zero(), v.re * ends} : C{v.im * inside, v.re * inside}).store(address(k));
        });
        for (std::int64_t k = half(); k < n_; ++k) C{zero(), zero()}.store(address(k));
      });
      const auto number = [&](std::int64_t j) { return j < n_ ? C::load(z + j * one).im : zero(); };
      for (std::int64_t j = 0; j < half(); ++j) writer.write(j, {number(2 * j), number(2 * j + 1)});
      return;
    }
    const std::int64_t m = n_ / 2;
    T* const spectrum = work + fft_->workspace();
    from.read(y, [&](std::int64_t k, const C& v) { v.store(spectrum + k * one); });
    const T* const z = fft_->transform(work, [&](auto&& address) {
      const Simd<T> first = C::load(spectrum).re, last = C::load(spectrum + m * one).re;
      C{(first - last) * ends, (first + last) * ends}.store(address(0));
      for (std::int64_t k = 1; 2 * k <= m; ++k) {
        const C a = C::load(spectrum + k * one), b = C::load(spectrum + (m - k) * one);
        const C sum = times(C{a.im - b.im, a.re + b.re}, inside);
        const C turned = detail::turned(times(C{a.im + b.im, a.re - b.re}, inside), roots_.data() + 3 * k);
        (sum + turned).store(address(k));
        C{turned.re - sum.re, sum.im - turned.im}.store(address(m - k));
      }
    });
    for (std::int64_t j = 0; j < m; ++j) {
      const C v = C::load(z + j * one);
      writer.write(j, {v.im, v.re});
    }
  }

 private:
  static constexpr std::int64_t one = C::numbers;

  bool even() const { return n_ % 2 == 0; }
  TENZO_INLINE static Simd<T> zero() { return Simd<T>(T(0)); }
  TENZO_INLINE static C times(const C& v, const Simd<T>& s) { return {v.re * s, v.im * s}; }

  std::int64_t n_;
  std::shared_ptr<const Fft<T>> fft_;
  std::vector<T> roots_;  // r_k for 2 k <= m, three numbers each
};

/// Real lines along the middle axis of (outer, n, inner) and their spectra along that of complex (outer, n / 2 + 1,
/// inner), one way or, `back`, by the transpose.
template <Real T, bool back>
class RealFftLines {
 public:
  RealFftLines(std::int64_t outer, std::int64_t n, std::int64_t inner, const SpectrumWeights& weights)
      : weights_(weights), fft_(plan_of<RealFft<T>>(n)), blocks_(outer, inner) {}

  std::int64_t size() const { return fft_->size(); }
  std::int64_t blocks() const { return blocks_.count(); }
  std::int64_t workspace() const { return fft_->workspace(); }

  void run(std::int64_t block, const T* x, T* y, T* work) const {
    blocks_.at(block, [&](const auto& at) {
      if constexpr (back) fft_->backward(at.complex(fft_->half()), x, at.real(size()), y, weights_, work);
      else fft_->forward(at.real(size()), x, at.complex(fft_->half()), y, weights_, work);
    });
  }

 private:
  SpectrumWeights weights_;
  std::shared_ptr<const RealFft<T>> fft_;
  LineBlocks<T> blocks_;
};

/// Half spectra along the middle axis of real x (outer, n, inner), n > 0, as complex y (outer, n / 2 + 1, inner):
///   y[o, k, i] = scale c_k Σ_j x[o, j, i] e^(−2πi j k / n),  c_k = 1 where k = 0 or 2 k = n, else `inside`.
///   Not in place. Error as of the complex transform.
///   Cost  about half of the complex transform for even n, that of the complex one for odd n.
template <Real T>
void rfft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside, const T* x,
          T* y) {
  if (outer * inner == 0) return;
  run_blocks(RealFftLines<T, false>(outer, n, inner, {scale, scale * inside}), x, y);
}
/// The transpose of rfft with the same factors: x[o, j, i] = scale Σ_k c_k Re(y[o, k, i] e^(2πi j k / n)). The inverse
/// of rfft with inside = 1 is this with inside = 2 and scale = 1 / n.
template <Real T>
void irfft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside, const T* y,
           T* x) {
  if (outer * inner == 0) return;
  run_blocks(RealFftLines<T, true>(outer, n, inner, {scale, scale * inside}), y, x);
}

/// rfft along the rows of real (batch, rows, cols), then transforms along the columns of these half spectra.
template <Real T>
void rfft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside, const T* x,
           T* y) {
  if (batch * rows == 0) return;
  const std::int64_t half = cols / 2 + 1, spectrum = 2 * rows * half;
  const auto along_rows = [&](std::int64_t n) {
    return RealFftLines<T, false>(n * rows, cols, 1, {scale, scale * inside});
  };
  const auto along_columns = [&](std::int64_t n) { return FftLines<T>(n, rows, half, false, 1); };
  run_two_passes(batch, {rows * cols, spectrum, spectrum}, along_rows, along_columns, x, y);
}
/// Its transpose: inverse transforms along the columns, then irfft along the rows.
template <Real T>
void irfft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside, const T* y,
            T* x) {
  if (batch * rows == 0) return;
  const std::int64_t half = cols / 2 + 1, spectrum = 2 * rows * half;
  const auto along_columns = [&](std::int64_t n) { return FftLines<T>(n, rows, half, true, 1); };
  const auto along_rows = [&](std::int64_t n) {
    return RealFftLines<T, true>(n * rows, cols, 1, {scale, scale * inside});
  };
  run_two_passes(batch, {spectrum, spectrum, rows * cols}, along_columns, along_rows, y, x);
}

}  // namespace tenzo::cpu
