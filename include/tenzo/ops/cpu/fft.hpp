// Discrete Fourier transforms along an axis of complex tensors, a vector of transforms at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/cpu/fft_lanes.hpp"
#include "tenzo/ops/cpu/fft_plan.hpp"
#include "tenzo/ops/cpu/scratch.hpp"

namespace tenzo::cpu {

/// The transform of any length. Lengths with prime factors above 7 go through a convolution of a length without
/// (Bluestein): with w = e^(−πi / n),  X[k] = w^(k²) Σ_j x[j] w^(j²) · w^(−(k − j)²).
template <Real T>
class Fft {
 public:
  /// The plan for a length, made once.
  static std::shared_ptr<const Fft> of(std::int64_t n) {
    static std::mutex mutex;
    static auto* plans = new std::map<std::int64_t, std::shared_ptr<const Fft>>;
    std::scoped_lock lock(mutex);
    auto& plan = (*plans)[n];
    if (!plan) plan = std::make_shared<const Fft>(n);
    return plan;
  }

  explicit Fft(std::int64_t n) : n_(n), direct_(FftPlan<T>::has_factors(n)), plan_(direct_ ? n : padded(n)) {
    if (direct_) return;
    const std::int64_t m = plan_.size();
    for (std::int64_t j = 0; j < n; ++j) {
      const auto [c, s] = unit_root(j * j % (2 * n), 2 * n);
      chirp_.insert(chirp_.end(), {T(c), T(s), T(-s)});
    }
    // The transform of the conjugate chirp, wrapped around, with the 1/m of the way back.
    constexpr std::int64_t one = ComplexLanes<double>::numbers;
    const FftPlan<double> exact(m);
    const Scratch<double> filter(m * one);
    std::fill_n(filter.data(), m * one, 0.0);
    for (std::int64_t j = 0; j < n; ++j) {
      const auto [c, s] = unit_root(j * j % (2 * n), 2 * n);
      for (const std::int64_t at : {exact.position(j), exact.position((m - j) % m)})
        ComplexLanes<double>{Simd<double>(c / double(m)), Simd<double>(-s / double(m))}.store(filter.data() + at * one);
    }
    exact.run(filter.data());
    for (std::int64_t k = 0; k < m; ++k) {
      const double re = filter.data()[k * one], im = filter.data()[k * one + one / 2];
      filter_.insert(filter_.end(), {T(re), T(im), T(-im)});
    }
  }

  std::int64_t size() const { return n_; }
  /// Numbers of T that `run` wants to work in.
  std::int64_t workspace() const { return (direct_ ? n_ : 2 * plan_.size()) * ComplexLanes<T>::numbers; }

  /// Calls put(j, address) for all j, which stores x[j] there; transforms; calls take(k, lanes) with X[k].
  template <class Put, class Take>
  void run(T* work, Put&& put, Take&& take) const {
    constexpr std::int64_t one = ComplexLanes<T>::numbers;
    using C = ComplexLanes<T>;
    if (direct_) {
      put([&](std::int64_t j) { return work + plan_.position(j) * one; });
      plan_.run(work);
      for (std::int64_t k = 0; k < n_; ++k) take(k, C::load(work + k * one));
      return;
    }
    const std::int64_t m = plan_.size();
    T* other = work + m * one;
    std::fill_n(work, m * one, T(0));
    put([&](std::int64_t j) { return work + plan_.position(j) * one; });
    for (std::int64_t j = 0; j < n_; ++j) {
      T* p = work + plan_.position(j) * one;
      detail::turned(C::load(p), chirp_.data() + 3 * j).store(p);
    }
    plan_.run(work);
    for (std::int64_t k = 0; k < m; ++k) {  // real and imaginary part exchanged: the way back is then the way there
      const C c = detail::turned(C::load(work + k * one), filter_.data() + 3 * k);
      C{c.im, c.re}.store(other + plan_.position(k) * one);
    }
    plan_.run(other);
    for (std::int64_t k = 0; k < n_; ++k) {
      const C c = C::load(other + k * one);
      take(k, detail::turned(C{c.im, c.re}, chirp_.data() + 3 * k));
    }
  }

 private:
  static std::int64_t padded(std::int64_t n) {
    std::int64_t m = 2 * n - 1;
    while (!FftPlan<T>::has_factors(m)) ++m;
    return m;
  }

  std::int64_t n_;
  bool direct_;
  FftPlan<T> plan_;
  std::vector<T> chirp_, filter_;
};

/// Transforms along the middle axis of complex (outer, n, inner), real and imaginary parts side by side:
///   y[o, k, i] = scale Σ_j x[o, j, i] e^(∓2πi j k / n), + in the exponent where `inverse`.
///   In place where y = x. Error in units of the largest |y|: about 0.5 ulp times log n.
template <Real T>
class FftLines {
 public:
  FftLines(std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale)
      : n_(n), inner_(inner), inverse_(inverse), scale_(T(scale)), fft_(Fft<T>::of(n)) {
    // Where lines lie side by side, a block is of one outer index; else blocks count lines through.
    joined_ = inner < lanes;
    per_outer_ = joined_ ? 0 : (inner + lanes - 1) / lanes;
    lines_ = outer * inner;
    blocks_ = joined_ ? (lines_ + lanes - 1) / lanes : outer * per_outer_;
  }

  std::int64_t blocks() const { return blocks_; }
  std::int64_t workspace() const { return fft_->workspace(); }

  /// Transforms the lines of one block; `work` has `workspace()` numbers.
  void run(std::int64_t block, const T* x, T* y, T* work) const {
    if (joined_) {
      const std::int64_t first = block * lanes, w = std::min(lanes, lines_ - first);
      if (inner_ == 1 && w == lanes) return run_on(RowLines<T>{2 * first * n_, 2 * n_, n_}, x, y, work);
      ScatteredLines<T> at{w, 2 * inner_, n_, {}};
      for (std::int64_t l = 0; l < w; ++l) {
        const std::int64_t line = first + l;
        at.start[l] = 2 * (line / inner_ * n_ * inner_ + line % inner_);
      }
      return run_on(at, x, y, work);
    }
    const std::int64_t o = block / per_outer_, i = block % per_outer_ * lanes;
    run_on(ColumnLines<T>{2 * (o * n_ * inner_ + i), 2 * inner_, std::min(lanes, inner_ - i), n_}, x, y, work);
  }

 private:
  static constexpr std::int64_t lanes = Simd<T>::size;

  template <class Lines>
  void run_on(const Lines& lines, const T* x, T* y, T* work) const {
    // An inverse transform is a forward one between exchanges of real and imaginary part.
    const Simd<T> s(scale_);
    typename Lines::Writer writer(lines, y);
    fft_->run(
        work,
        [&](auto&& address) {
          lines.read(x, [&](std::int64_t j, const ComplexLanes<T>& v) {
            (inverse_ ? ComplexLanes<T>{v.im, v.re} : v).store(address(j));
          });
        },
        [&](std::int64_t k, const ComplexLanes<T>& v) {
          writer.write(k, inverse_ ? ComplexLanes<T>{v.im * s, v.re * s} : ComplexLanes<T>{v.re * s, v.im * s});
        });
  }

  std::int64_t n_, inner_;
  bool inverse_;
  T scale_;
  std::shared_ptr<const Fft<T>> fft_;
  bool joined_ = false;
  std::int64_t per_outer_ = 0, lines_ = 0, blocks_ = 0;
};

/// Transforms along one axis: all blocks of it, in parallel.
template <Real T>
void fft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale, const T* x, T* y) {
  if (outer * n * inner == 0) return;
  const FftLines<T> lines(outer, n, inner, inverse, scale);
  constexpr std::int64_t work = 1 << 14;
  parallel_for(lines.blocks(), std::max<std::int64_t>(1, work / (n * Simd<T>::size)),
               [&](std::int64_t begin, std::int64_t end) {
                 const Scratch<T> scratch(lines.workspace());
                 for (std::int64_t b = begin; b < end; ++b) lines.run(b, x, y, scratch.data());
               });
}

/// Transforms along the last two axes of complex (batch, rows, cols): the rows, then the columns; image by image where
/// there are enough, so that the columns find the image in the cache. The same bits either way.
template <Real T>
void fft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, bool inverse, double scale, const T* x,
          T* y) {
  if (batch * rows * cols == 0) return;
  if (batch < threads()) {
    fft(Device{}, batch * rows, cols, 1, inverse, 1, x, y);
    return fft(Device{}, batch, rows, cols, inverse, scale, static_cast<const T*>(y), y);
  }
  const FftLines<T> along_rows(rows, cols, 1, inverse, 1), along_columns(1, rows, cols, inverse, scale);
  parallel_for(batch, 1, [&](std::int64_t begin, std::int64_t end) {
    const Scratch<T> scratch(std::max(along_rows.workspace(), along_columns.workspace()));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t at = 2 * i * rows * cols;
      for (std::int64_t b = 0; b < along_rows.blocks(); ++b) along_rows.run(b, x + at, y + at, scratch.data());
      for (std::int64_t b = 0; b < along_columns.blocks(); ++b) along_columns.run(b, y + at, y + at, scratch.data());
    }
  });
}

}  // namespace tenzo::cpu
