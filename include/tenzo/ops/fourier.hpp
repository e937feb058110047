// Discrete Fourier transforms of complex tensors: real ones with a last axis of two.
#pragma once

#include <cmath>
#include <string_view>

#include "tenzo/core/axes.hpp"
#include "tenzo/ops/complex.hpp"
#include "tenzo/ops/cpu/fft.hpp"
#include "tenzo/ops/linear_map.hpp"

namespace tenzo {

/// Which way carries the factor 1/N: the inverse, both as 1/√N (unitary), or the transform itself.
enum class FftNorm { backward, ortho, forward };

/// scale · transform along the axes, which count before the last axis of two. Of z it is a unitary matrix times a
/// number, so its adjoint is the transform back with the same scale.
struct Fourier {
  static constexpr std::string_view name = "fft";
  Shape in, out;
  Axes axes;
  bool inverse = false;
  double scale = 1;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    transform(device, x, y, inverse);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    transform(device, gy, gx, !inverse);
  }

 private:
  template <class D, class T>
  void transform(D device, const T* x, T* y, bool back) const {
    const Shape z = in.without(-1);
    int left = axes.count();
    if (left == 0) {
      map(device, in.numel(), y, fn::ScaleBy<T>{T(scale)}, x);
    } else if (const int last = z.rank() - 1; left == 2 && axes.contains(last) && axes.contains(last - 1)) {
      fft2(device, z.outer(last - 1), z[last - 1], z[last], back, scale, x, y);
    } else {
      for (const int a : axes) {
        fft(device, z.outer(a), z[a], z.inner(a), back, --left ? 1 : scale, x, y);
        x = y;
      }
    }
  }
};

namespace detail {

template <Value V>
V fourier(std::string_view op, const V& z, const Axes& axes, bool inverse, FftNorm norm) {
  expect_complex(op, z.shape());
  Fourier f{z.shape(), z.shape(), axes.normalized(z.shape().without(-1)), inverse};
  double n = 1;
  for (const int a : f.axes) n *= double(z.shape()[a]);
  if (norm == FftNorm::ortho) f.scale = 1 / std::sqrt(n);
  else if ((norm == FftNorm::backward) == inverse) f.scale = 1 / n;
  return apply_linear(f, z);
}

}  // namespace detail

/// Z[k] = Σ_j z[j] e^(−2πi j k / n) along each of the axes, which count before the last axis of two.
///   Cost  O(n log n) for every length; lengths without prime factors above 7 go without a detour.
template <Value V>
V fft(const V& z, const Axes& axes = -1, FftNorm norm = FftNorm::backward) {
  return detail::fourier("fft", z, axes, false, norm);
}
/// The inverse: z[j] = 1/n Σ_k Z[k] e^(2πi j k / n).
template <Value V>
V ifft(const V& z, const Axes& axes = -1, FftNorm norm = FftNorm::backward) {
  return detail::fourier("ifft", z, axes, true, norm);
}
/// Along two axes, by default the last two.
template <Value V>
V fft2(const V& z, const Axes& axes = {-2, -1}, FftNorm norm = FftNorm::backward) {
  return detail::fourier("fft2", z, axes, false, norm);
}
template <Value V>
V ifft2(const V& z, const Axes& axes = {-2, -1}, FftNorm norm = FftNorm::backward) {
  return detail::fourier("ifft2", z, axes, true, norm);
}

}  // namespace tenzo
