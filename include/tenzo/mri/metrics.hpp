// How far a reconstruction is from the truth: by the definitions of the field's evaluations, and by those of the code
// of smoothed unrolling. Images are (…, H, W, 2), complex, or (…, H, W), magnitudes, as each function says.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/mri/filters.hpp"
#include "tenzo/ops/complex.hpp"

namespace tenzo::mri {

namespace detail {

template <class T>
void expect_same_images(const char* what, const Tensor<T>& x, const Tensor<T>& truth) {
  expect(x.defined() && truth.defined() && x.shape() == truth.shape() && x.size() > 0, what, ": images are ", x.shape(),
         ", the truth ", truth.shape());
}

template <class T>
double squared_error(const Tensor<T>& x, const Tensor<T>& truth) {
  double s = 0;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double d = double(x(i)) - double(truth(i));
    s += d * d;
  }
  return s;
}

}  // namespace detail

/// 10 log₁₀(range² / mean squared error); infinite where nothing differs.
///   range  the largest value that the data may have, by fastMRI's evaluation the largest of the volume's truth
template <Real T>
double psnr(const Tensor<T>& x, const Tensor<T>& truth, double range) {
  detail::expect_same_images("psnr", x, truth);
  require(range > 0, "psnr: a range of ", range);
  return 10 * std::log10(range * range * double(x.size()) / detail::squared_error(x, truth));
}

/// ‖x − t‖² / ‖t‖².
template <Real T>
double nmse(const Tensor<T>& x, const Tensor<T>& truth) {
  detail::expect_same_images("nmse", x, truth);
  return detail::squared_error(x, truth) / detail::squared_error(truth, Tensor<T>::zeros(truth.shape()));
}

/// 10 log₁₀(max |t|² / mean over pixels |x − t|²) of complex images (H, W, 2): the definition of smoothed unrolling's
/// code.
template <Real T>
double complex_psnr(const Tensor<T>& x, const Tensor<T>& truth) {
  detail::expect_same_images("psnr", x, truth);
  const Tensor<T> size = complex_abs(truth);
  const double peak = double(*std::max_element(size.values().begin(), size.values().end()));
  return 10 * std::log10(peak * peak * double(size.size()) / detail::squared_error(x, truth));
}

/// How similarities are averaged over a window. What lies closer to the border than half of it is left out.
struct SsimOptions {
  double range = 1;               // the largest value that the data may have
  int window = 7;                 // pixels along an axis, odd
  double gaussian = 0;            // deviation of the window's weights; 0: all alike
  bool sample_covariance = true;  // divided by one less than there are pixels, for weights that are all alike
  double k1 = 0.01, k2 = 0.03;

  /// By fastMRI's evaluation: on magnitudes, `range` the largest of the volume's truth.
  static SsimOptions fastmri(double largest) { return {.range = largest}; }
  /// By the code of smoothed unrolling: on each part of complex images by itself.
  static SsimOptions smoothed_unrolling() {
    return {.range = 2, .window = 11, .gaussian = 1.5, .sample_covariance = false};
  }
};

/// The mean structural similarity of two images (H, W):
///   (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂)), C = (k range)².
///   Throws  ValueError for windows that are even or larger than the image.
///   Source  Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity".
template <Real T>
double ssim(const Tensor<T>& x, const Tensor<T>& truth, const SsimOptions& o = {}) {
  detail::expect_same_images("ssim", x, truth);
  expect(x.rank() == 2, "ssim: images are ", x.shape(), "; want (H, W)");
  require(o.window > 0 && o.window % 2 == 1 && o.window <= std::min(x.dim(0), x.dim(1)), "ssim: a window of ", o.window,
          " on an image of ", x.shape());
  const std::vector<double> weights = o.gaussian > 0 ? gaussian_weights(o.window / 2, o.gaussian)
                                                     : std::vector<double>(std::size_t(o.window), 1.0 / o.window);
  const Tensor<double> a = x.template cast<double>(), b = truth.template cast<double>();
  const auto smooth = [&](const Tensor<double>& v) { return filtered_inside(v, weights); };
  const Tensor<double> ma = smooth(a), mb = smooth(b), aa = smooth(mul(a, a)), bb = smooth(mul(b, b)),
                       ab = smooth(mul(a, b));
  const double n = double(o.window) * o.window;
  const double unbiased = o.sample_covariance && o.gaussian == 0 ? n / (n - 1) : 1.0;
  const double c1 = std::pow(o.k1 * o.range, 2), c2 = std::pow(o.k2 * o.range, 2);
  double total = 0;
  for (std::int64_t i = 0; i < ma.size(); ++i) {
    const double p = ma(i), q = mb(i);
    const double va = unbiased * (aa(i) - p * p), vb = unbiased * (bb(i) - q * q), cov = unbiased * (ab(i) - p * q);
    total += (2 * p * q + c1) * (2 * cov + c2) / ((p * p + q * q + c1) * (va + vb + c2));
  }
  return total / double(ma.size());
}

/// The mean of both parts' similarity, of complex images (H, W, 2).
template <Real T>
double complex_ssim(const Tensor<T>& x, const Tensor<T>& truth,
                    const SsimOptions& o = SsimOptions::smoothed_unrolling()) {
  return (ssim(complex_real(x), complex_real(truth), o) + ssim(complex_imag(x), complex_imag(truth), o)) / 2;
}

/// ‖LoG(x) − LoG(t)‖ / ‖LoG(t)‖ of images (H, W): the error of what is fine in them. LoG is the Laplacian of a Gaussian
/// of `sigma` pixels, cut at four deviations; images go on mirrored at their edges.
///   Source  Ravishankar, Bresler 2011, "MR image reconstruction from highly undersampled k-space data by dictionary
///           learning".
template <Real T>
double hfen(const Tensor<T>& x, const Tensor<T>& truth, double sigma = 1) {
  detail::expect_same_images("hfen", x, truth);
  expect(x.rank() == 2, "hfen: images are ", x.shape(), "; want (H, W)");
  require(sigma > 0, "hfen: a Gaussian of ", sigma, " pixels");
  const Tensor<double> a = laplacian_of_gaussian(x.template cast<double>(), sigma),
                       b = laplacian_of_gaussian(truth.template cast<double>(), sigma);
  return std::sqrt(detail::squared_error(a, b) / detail::squared_error(b, Tensor<double>::zeros(b.shape())));
}

}  // namespace tenzo::mri
