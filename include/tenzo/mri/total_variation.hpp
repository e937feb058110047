// Reconstruction without learning: least squares with a small total variation.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tenzo/mri/encoding.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::mri {

/// (x(i + 1, j) − x(i, j), x(i, j + 1) − x(i, j)), zero at the last row and column: images (n, H, W, 2) → (n, H, W, 2,
/// 2), the last axis the direction; and its adjoint.
struct ForwardDifferences {
  static constexpr std::string_view name = "forward_differences";
  Shape in, out;

  template <class T>
  void apply(Cpu, const T* x, T* y) const {
    const std::int64_t h = in[1], w = in[2];
    for_each_pixel([&](std::int64_t p, std::int64_t i, std::int64_t j) {
      for (std::int64_t c = 0; c < 2; ++c) {
        y[(2 * p + c) * 2] = i + 1 < h ? x[2 * (p + w) + c] - x[2 * p + c] : T(0);
        y[(2 * p + c) * 2 + 1] = j + 1 < w ? x[2 * (p + 1) + c] - x[2 * p + c] : T(0);
      }
    });
  }
  template <class T>
  void adjoint(Cpu, const T* gy, T* gx) const {
    const std::int64_t h = in[1], w = in[2];
    for_each_pixel([&](std::int64_t p, std::int64_t i, std::int64_t j) {
      for (std::int64_t c = 0; c < 2; ++c) {
        T g = 0;
        if (i > 0) g += gy[(2 * (p - w) + c) * 2];
        if (i + 1 < h) g -= gy[(2 * p + c) * 2];
        if (j > 0) g += gy[(2 * (p - 1) + c) * 2 + 1];
        if (j + 1 < w) g -= gy[(2 * p + c) * 2 + 1];
        gx[2 * p + c] = g;
      }
    });
  }

 private:
  template <class F>
  void for_each_pixel(F&& f) const {
    std::int64_t p = 0;
    for (std::int64_t n = 0; n < in[0]; ++n)
      for (std::int64_t i = 0; i < in[1]; ++i)
        for (std::int64_t j = 0; j < in[2]; ++j) f(p++, i, j);
  }
};

template <Value V>
V forward_differences(const V& x) {
  expect(x.shape().rank() == 4 && x.shape()[3] == 2, "forward_differences: images are ", x.shape(),
         "; want (n, H, W, 2)");
  return apply_linear(ForwardDifferences{x.shape(), x.shape().inserted(4, 2)}, x);
}

struct TotalVariationOptions {
  double weight = 1e-3;  // μ
  std::int64_t iterations = 200;
};

/// argmin_x ½ ‖A x − y‖² + μ Σ |∇x|, |∇x| the Euclidean length over both directions and both parts, from z = Aᴴ y.
///   Method   a primal-dual iteration with steps 1/τ = ½ + 8σ, which the size of Aᴴ A (at most one) and of the
///            differences (8) allow.
///   Source   Condat 2013, "A primal-dual splitting method", algorithm 3.1; Vũ 2013.
template <Plain P>
P total_variation(const Encoding<P>& e, const P& z, const TotalVariationOptions& o = {}) {  // (n, H, W, 2) -> the same
  using T = scalar_t<P>;
  require(o.weight >= 0 && o.iterations >= 0, "total variation: a weight of ", o.weight, ", ", o.iterations,
          " iterations");
  const double sigma = 0.25, tau = 1 / (0.5 + 8 * sigma);
  P x = z.clone(), u = P::zeros(z.shape().inserted(4, 2));
  const ForwardDifferences d{x.shape(), u.shape()};
  for (std::int64_t i = 0; i < o.iterations; ++i) {
    const P back = dispatch(AdjointMap<ForwardDifferences>{d}, Values<P, 1>{u})[0];
    const P next = sub(x, scale(add(sub(e.gram(x), z), back), tau));
    const P ahead = forward_differences(sub(scale(next, 2), x));
    u = add(u, scale(ahead, sigma));
    for (std::int64_t p = 0; p < u.size(); p += 4) {  // onto |u| ≤ μ, pixel by pixel
      T* v = u.data() + p;
      const double size = std::sqrt(double(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]));
      if (size > o.weight)
        for (int k = 0; k < 4; ++k) v[k] = T(double(v[k]) * o.weight / size);
    }
    x = next;
  }
  return x;
}

/// ½ ‖A x − y‖² + μ Σ |∇x|, for k-space y.
template <Plain P>
double total_variation_objective(const Encoding<P>& e, const P& y, const P& x, double weight) {
  const P r = sub(e.forward(x), y), d = forward_differences(x);
  double total = 0;
  for (std::int64_t p = 0; p < d.size(); p += 4)
    total += std::sqrt(double(d(p)) * d(p) + double(d(p + 1)) * d(p + 1) + double(d(p + 2)) * d(p + 2) +
                       double(d(p + 3)) * d(p + 3));
  return 0.5 * inner(r, r) + weight * total;
}

}  // namespace tenzo::mri
