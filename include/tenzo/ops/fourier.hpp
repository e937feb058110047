// Discrete Fourier transforms of complex tensors, real ones with a last axis of two, and of real ones to half a
// spectrum.
#pragma once

#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "tenzo/core/axes.hpp"
#include "tenzo/ops/complex.hpp"
#include "tenzo/ops/cpu/fft.hpp"
#include "tenzo/ops/cpu/real_fft.hpp"
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

/// scale · the half spectrum of a real tensor along the last of the axes, n -> n / 2 + 1, then transforms of complex
/// numbers along the other axes. `inside` multiplies the numbers that stand for two of the whole spectrum, all but
/// those of frequency 0 and n / 2: with 2 the transpose is the inverse, up to the scale.
struct RealFourier {
  static constexpr std::string_view name = "rfft";
  Shape in, out;  // (…, n, …) and (…, n / 2 + 1, …, 2)
  Axes axes;      // of `in`
  double scale = 1, inside = 1;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    const int a = axes[axes.count() - 1];
    if (of_images()) return rfft2(device, in.outer(a - 1), in[a - 1], in[a], scale, inside, x, y);
    rfft(device, in.outer(a), in[a], in.inner(a), scale, inside, x, y);
    along_others(device, false, static_cast<const T*>(y), y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    const int a = axes[axes.count() - 1];
    if (of_images()) return irfft2(device, in.outer(a - 1), in[a - 1], in[a], scale, inside, gy, gx);
    if (axes.count() == 1) return irfft(device, in.outer(a), in[a], in.inner(a), scale, inside, gy, gx);
    Tensor<T, D> between(out);
    along_others(device, true, gy, between.data());
    irfft(device, in.outer(a), in[a], in.inner(a), scale, inside, std::as_const(between).data(), gx);
  }

 private:
  bool of_images() const { return axes.count() == 2 && axes[1] == in.rank() - 1 && axes[0] == in.rank() - 2; }
  template <class D, class T>
  void along_others(D device, bool back, const T* x, T* y) const {
    const Shape z = out.without(-1);
    for (int i = 0; i + 1 < axes.count(); ++i) {
      const int a = axes[i];
      fft(device, z.outer(a), z[a], z.inner(a), back, 1, x, y);
      x = y;
    }
  }
};

namespace detail {

/// The factor of a transform of n numbers.
inline double fourier_scale(FftNorm norm, bool inverse, double n) {
  if (norm == FftNorm::ortho) return 1 / std::sqrt(n);
  return (norm == FftNorm::backward) == inverse ? 1 / n : 1;
}

template <Value V>
V fourier(std::string_view op, const V& z, const Axes& axes, bool inverse, FftNorm norm) {
  expect_complex(op, z.shape());
  Fourier f{z.shape(), z.shape(), axes.normalized(z.shape().without(-1)), inverse};
  double n = 1;
  for (const int a : f.axes) n *= double(z.shape()[a]);
  f.scale = fourier_scale(norm, inverse, n);
  return apply_linear(f, z);
}

/// The map from the real `in`, and its factors.
inline RealFourier real_fourier(std::string_view op, const Shape& in, const Axes& axes, bool inverse, FftNorm norm) {
  RealFourier f{in, in, axes.normalized(in)};
  expect(f.axes.count() > 0, op, ": along no axis");
  const int last = f.axes[f.axes.count() - 1];
  expect(in[last] > 0, op, ": axis ", last, " of ", in, " is empty");
  f.out = in.with(last, in[last] / 2 + 1).inserted(in.rank(), 2);
  double n = 1;
  for (const int a : f.axes) n *= double(in[a]);
  f.scale = fourier_scale(norm, inverse, n);
  f.inside = inverse ? 2 : 1;
  return f;
}

template <Value V>
V inverse_real_fourier(std::string_view op, const V& z, std::optional<std::int64_t> n, const Axes& axes, FftNorm norm) {
  expect_complex(op, z.shape());
  const Shape half = z.shape().without(-1);
  const Axes along = axes.normalized(half);
  expect(along.count() > 0, op, ": along no axis");
  const int last = along[along.count() - 1];
  const std::int64_t length = n.value_or(2 * (half[last] - 1));
  expect(length > 0 && length / 2 + 1 == half[last], op, ": ", half[last], " numbers on axis ", last, " of ", half,
         " are no half spectrum of ", length);
  return dispatch(AdjointMap<RealFourier>{real_fourier(op, half.with(last, length), along, true, norm)},
                  Values<V, 1>{z})[0];
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

/// The first half, n / 2 + 1 numbers, of a real tensor's transform along an axis; the rest are conjugates of these. Of
/// several axes the last is halved: along the others it is a transform of complex numbers.
///   x     real (…, n, …), n > 0  ->  (…, n / 2 + 1, …, 2); axes count in x
///   Cost  about half of fft for even n, that of fft for odd n.
template <Value V>
V rfft(const V& x, const Axes& axes = -1, FftNorm norm = FftNorm::backward) {
  return apply_linear(detail::real_fourier("rfft", x.shape(), axes, false, norm), x);
}
/// The inverse: the real tensor of a half spectrum. Imaginary parts of frequency 0 and, of even n, n / 2, which a real
/// tensor's spectrum has not, are not read.
///   z  (…, n / 2 + 1, …, 2)  ->  real (…, n, …); axes count before the last axis of two
///   n  length of the halved axis; by default the even one
///   Throws  ShapeError where n does not belong to the axis.
template <Value V>
V irfft(const V& z, std::optional<std::int64_t> n = {}, const Axes& axes = -1, FftNorm norm = FftNorm::backward) {
  return detail::inverse_real_fourier("irfft", z, n, axes, norm);
}
/// Along two axes, by default the last two, the last of which is halved.
template <Value V>
V rfft2(const V& x, const Axes& axes = {-2, -1}, FftNorm norm = FftNorm::backward) {
  return apply_linear(detail::real_fourier("rfft2", x.shape(), axes, false, norm), x);
}
template <Value V>
V irfft2(const V& z, std::optional<std::int64_t> n = {}, const Axes& axes = {-2, -1},
         FftNorm norm = FftNorm::backward) {
  return detail::inverse_real_fourier("irfft2", z, n, axes, norm);
}

}  // namespace tenzo
