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
#include "tenzo/ops/cpu/fft_blocks.hpp"
#include "tenzo/ops/cpu/fft_plan.hpp"
#include "tenzo/ops/cpu/scratch.hpp"

namespace tenzo::cpu {

/// The plan for a length, made once.
template <class Plan>
std::shared_ptr<const Plan> plan_of(std::int64_t n) {
  static std::mutex mutex;
  static auto* plans = new std::map<std::int64_t, std::shared_ptr<const Plan>>;
  std::scoped_lock lock(mutex);
  auto& plan = (*plans)[n];
  if (!plan) plan = std::make_shared<const Plan>(n);
  return plan;
}

/// The transform of any length. Lengths with prime factors above 7 go through a convolution of a length without
/// (Bluestein): with w = e^(−πi / n),  X[k] = w^(k²) Σ_j x[j] w^(j²) · w^(−(k − j)²).
template <Real T>
class Fft {
  using C = ComplexLanes<T>;

 public:
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
  /// Numbers of T that `transform` wants to work in.
  std::int64_t workspace() const { return (direct_ ? n_ : 2 * plan_.size()) * ComplexLanes<T>::numbers; }

  /// Calls put(address), which is to store each x[j] at address(j), transforms, and returns where in `work` the X[k]
  /// stand one after another.
  template <class Put>
  T* transform(T* work, Put&& put) const {
    constexpr std::int64_t one = C::numbers;
    if (direct_) {
      put([&](std::int64_t j) { return work + plan_.position(j) * one; });
      plan_.run(work);
      return work;
    }
    const std::int64_t m = plan_.size();
    T* const other = work + m * one;
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
      detail::turned(C{c.im, c.re}, chirp_.data() + 3 * k).store(other + k * one);
    }
    return other;
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
      : inverse_(inverse), scale_(T(scale)), fft_(plan_of<Fft<T>>(n)), blocks_(outer, inner) {}

  std::int64_t size() const { return fft_->size(); }
  std::int64_t blocks() const { return blocks_.count(); }
  std::int64_t workspace() const { return fft_->workspace(); }

  /// Transforms the lines of one block; `work` has `workspace()` numbers.
  void run(std::int64_t block, const T* x, T* y, T* work) const {
    blocks_.at(block, [&](const auto& at) { run_on(at.complex(size()), x, y, work); });
  }

 private:
  template <class Lines>
  void run_on(const Lines& lines, const T* x, T* y, T* work) const {
    // An inverse transform is a forward one between exchanges of real and imaginary part.
    using C = ComplexLanes<T>;
    const T* const transformed = fft_->transform(work, [&](auto&& address) {
      lines.read(x, [&](std::int64_t j, const C& v) { (inverse_ ? C{v.im, v.re} : v).store(address(j)); });
    });
    const Simd<T> s(scale_);
    typename Lines::Writer writer(lines, y);
    for (std::int64_t k = 0; k < size(); ++k) {
      const C v = C::load(transformed + k * C::numbers);
      writer.write(k, inverse_ ? C{v.im * s, v.re * s} : C{v.re * s, v.im * s});
    }
  }

  bool inverse_;
  T scale_;
  std::shared_ptr<const Fft<T>> fft_;
  LineBlocks<T> blocks_;
};

/// Transforms along one axis: all blocks of it, in parallel.
template <Real T>
void fft(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale, const T* x, T* y) {
  if (outer * n * inner == 0) return;
  run_blocks(FftLines<T>(outer, n, inner, inverse, scale), x, y);
}

/// Transforms along the last two axes of complex (batch, rows, cols): the rows, then the columns.
template <Real T>
void fft2(Device, std::int64_t batch, std::int64_t rows, std::int64_t cols, bool inverse, double scale, const T* x,
          T* y) {
  if (batch * rows * cols == 0) return;
  const std::int64_t size = 2 * rows * cols;
  const auto along_rows = [&](std::int64_t n) { return FftLines<T>(n * rows, cols, 1, inverse, 1); };
  const auto along_columns = [&](std::int64_t n) { return FftLines<T>(n, rows, cols, inverse, scale); };
  run_two_passes(batch, {size, size, size}, along_rows, along_columns, x, y);
}

}  // namespace tenzo::cpu
