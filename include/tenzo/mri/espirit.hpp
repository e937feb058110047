// Sensitivities of coils by eigenvectors: what every piece of k-space has in common with its neighbours.
//   Source  Uecker et al. 2014, "ESPIRiT, an eigenvalue approach to autocalibrating parallel MRI".
#pragma once

#include <Eigen/Dense>

#include <algorithm>
#include <complex>
#include <cstdint>

#include "tenzo/core/parallel.hpp"
#include "tenzo/mri/encoding.hpp"

namespace tenzo::mri {

struct EspiritOptions {
  std::int64_t calibration = 24;  // rows and columns of the region in the middle, which is fully sampled
  std::int64_t kernel = 6;        // rows and columns of a piece
  double threshold = 0.02;        // singular vectors are kept from this share of the largest value on
  double support = 0.9;           // where the largest eigenvalue is smaller, there is nothing: maps are zero
};

/// Maps of one image's coils.
///   kspace  (C, H, W, 2); its middle of calibration x calibration numbers is read, and nothing else
///   Returns (C, H, W, 2): |S|² sums to one within the support, to zero outside; the first coil's phase is zero.
///   Cost    an eigenvector of a C x C matrix a pixel.   Throws  ValueError where the region is larger than k-space or
///   smaller than a piece.
template <Real T>
Tensor<T> espirit_maps(const Tensor<T>& kspace, const EspiritOptions& o = {}) {
  using Complex = std::complex<double>;
  require(kspace.defined() && kspace.rank() == 4 && kspace.dim(-1) == 2, "espirit: k-space is ", kspace.shape(),
          "; want (coils, H, W, 2)");
  const std::int64_t coils = kspace.dim(0), h = kspace.dim(1), w = kspace.dim(2), a = o.calibration, k = o.kernel;
  require(k > 0 && k <= a && a <= std::min(h, w), "espirit: pieces of ", k, ", a region of ", a, " in k-space of ", h,
          " x ", w);
  const auto sample = [&](std::int64_t c, std::int64_t i, std::int64_t j) {
    const T* p = kspace.data() + 2 * ((c * h + i + h / 2 - a / 2) * w + j + w / 2 - a / 2);
    return Complex(double(p[0]), double(p[1]));
  };

  // Rows are pieces; the Gram matrix of the columns has the right singular vectors.
  const std::int64_t columns = coils * k * k, places = a - k + 1;
  Eigen::MatrixXcd pieces(places * places, columns);
  for (std::int64_t i = 0; i < places; ++i)
    for (std::int64_t j = 0; j < places; ++j)
      for (std::int64_t c = 0; c < coils; ++c)
        for (std::int64_t u = 0; u < k; ++u)
          for (std::int64_t v = 0; v < k; ++v) pieces(i * places + j, (c * k + u) * k + v) = sample(c, i + u, j + v);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> gram(pieces.adjoint() * pieces);
  const Eigen::VectorXd squares = gram.eigenvalues();
  const double least = o.threshold * o.threshold * squares[columns - 1];
  std::int64_t kept = 0;
  while (kept < columns && squares[columns - 1 - kept] > least) ++kept;

  // Kernels as images: (kept, C, H, W). The maps of pixel p are the first eigenvector of G G^H, G the C x kept matrix
  // of their values.
  Tensor<double> kernels = Tensor<double>::zeros({kept, coils, h, w, 2});
  for (std::int64_t q = 0; q < kept; ++q)
    for (std::int64_t c = 0; c < coils; ++c)
      for (std::int64_t u = 0; u < k; ++u)
        for (std::int64_t v = 0; v < k; ++v) {
          // a row of pieces times conj(vector) is a correlation, so its image is of the mirrored, conjugated kernel
          const Complex z = std::conj(gram.eigenvectors()((c * k + u) * k + v, columns - 1 - q));
          const std::int64_t i = ((h / 2 - u + k / 2) % h + h) % h, j = ((w / 2 - v + k / 2) % w + w) % w;
          double* to = kernels.data() + 2 * (((q * coils + c) * h + i) * w + j);
          to[0] += z.real(), to[1] += z.imag();
        }
  const Tensor<double> images = fft2c(kernels);
  const double unit = double(h * w) / double(k * k);  // so that eigenvalues are at most one

  Tensor<T> maps = Tensor<T>::zeros(kspace.shape());
  parallel_for(h, 1, [&](std::int64_t first, std::int64_t last) {
    Eigen::MatrixXcd g(coils, kept);
    for (std::int64_t i = first; i < last; ++i)
      for (std::int64_t j = 0; j < w; ++j) {
        for (std::int64_t q = 0; q < kept; ++q)
          for (std::int64_t c = 0; c < coils; ++c) {
            const double* p = images.data() + 2 * (((q * coils + c) * h + i) * w + j);
            g(c, q) = Complex(p[0], p[1]);
          }
        const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> pixel(unit * (g * g.adjoint()));
        if (!(pixel.eigenvalues()[coils - 1] > o.support)) continue;
        Eigen::VectorXcd s = pixel.eigenvectors().col(coils - 1);
        if (std::abs(s[0]) > 0) s *= std::conj(s[0]) / std::abs(s[0]);
        for (std::int64_t c = 0; c < coils; ++c) {
          T* to = maps.data() + 2 * ((c * h + i) * w + j);
          to[0] = T(s[c].real()), to[1] = T(s[c].imag());
        }
      }
  });
  return maps;
}

}  // namespace tenzo::mri
