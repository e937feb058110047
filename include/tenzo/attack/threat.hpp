// What an attacker may add to inputs: balls around each sample, and the range that inputs stay in.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/cpu/update.hpp"

namespace tenzo::attack {

enum class Norm { l2, linf };

/// Perturbations δ of a batch x (n, …): ‖δᵢ‖ ≤ epsᵢ for each sample i, low ≤ x + δ ≤ high for each element.
struct Threat {
  Norm norm = Norm::l2;
  std::vector<double> eps = {1};  // one for all samples, or one a sample
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();

  double radius(std::int64_t sample) const { return eps.size() == 1 ? eps[0] : eps[std::size_t(sample)]; }

  /// Throws ValueError unless there is a radius for each of n samples, none negative or NaN, and low ≤ high.
  void check(std::int64_t n) const {
    require(eps.size() == 1 || std::int64_t(eps.size()) == n, "attack: ", eps.size(), " radii for ", n, " samples");
    for (const double e : eps) require(e >= 0, "attack: a radius of ", e);
    require(low <= high, "attack: inputs in [", low, ", ", high, ']');
  }
};

/// ‖xᵢ‖ of each sample along the first axis.
template <Real T>
std::vector<double> sample_norms(Norm norm, const Tensor<T>& x) {
  expect(x.rank() > 0, "attack: samples along the first axis of ", x.shape());
  const std::int64_t n = x.shape()[0], width = x.shape().inner(0);
  std::vector<double> out(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const T* v = x.data() + i * width;
    double size = 0;
    if (norm == Norm::l2) size = std::sqrt(cpu::squares_of(Cpu{}, width, v));
    else
      for (std::int64_t j = 0; j < width; ++j) size = std::max(size, std::abs(double(v[j])));
    out[std::size_t(i)] = size;
  }
  return out;
}

/// δ cut to the range of x + δ, then shrunk to its ball: a δ that the threat allows wherever x is in the range. (In l2
/// not the nearest one where both bind; shrinking towards x stays in the range, which is convex.)
///   delta, x (n, …)
template <Real T>
void project_(Tensor<T>& delta, const Tensor<T>& x, const Threat& threat) {
  const std::int64_t n = delta.shape()[0], width = delta.shape().inner(0);
  const bool ranged = std::isfinite(threat.low) || std::isfinite(threat.high);
  parallel_for(n, std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, width)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   T* d = delta.data() + i * width;
                   const T* at = x.data() + i * width;
                   const double eps = threat.radius(i);
                   if (threat.norm == Norm::linf)
                     for (std::int64_t j = 0; j < width; ++j) d[j] = std::clamp(d[j], T(-eps), T(eps));
                   if (ranged)
                     for (std::int64_t j = 0; j < width; ++j)
                       d[j] = std::clamp(d[j], T(threat.low) - at[j], T(threat.high) - at[j]);
                   if (threat.norm == Norm::linf) continue;
                   const double size = std::sqrt(cpu::squares_of(Cpu{}, width, d));
                   if (size > eps)
                     for (std::int64_t j = 0; j < width; ++j) d[j] *= T(eps / size);
                 }
               });
}

/// Random numbers of an attack: of a seed, and of what the caller counts by `a` and `b`.
inline NoiseKey attack_key(std::uint64_t seed, std::int64_t a, std::int64_t b, std::uint32_t use) {
  return NoiseKey{.seed = seed, .step = std::uint32_t(a), .query = std::uint32_t(b), .tensor = use}.of(Purpose::attack);
}

/// Normal (l2) or uniform (linf) directions, as long as `size` (n): ‖uᵢ‖₂ = sizeᵢ, |u_ij| ≤ sizeᵢ.
template <Real T>
Tensor<T> random_directions(Norm norm, const Shape& shape, const std::vector<double>& size, const NoiseKey& key) {
  const std::int64_t n = shape[0], width = shape.inner(0);
  Tensor<T> u(shape);
  if (u.size() == 0) return u;
  fill_matrix(norm == Norm::l2 ? Law::normal : Law::uniform, key, n, width, u.data());
  for (std::int64_t i = 0; i < n; ++i) {
    T* v = u.data() + i * width;
    const double s = size[std::size_t(i)];
    if (norm == Norm::linf) {
      for (std::int64_t j = 0; j < width; ++j) v[j] = T(s) * (2 * v[j] - 1);
    } else {
      const double length = std::sqrt(cpu::squares_of(Cpu{}, width, v));
      for (std::int64_t j = 0; j < width; ++j) v[j] *= T(s / length);
    }
  }
  return u;
}

/// δᵢ += stepᵢ gᵢ / ‖gᵢ‖₂ (l2) or stepᵢ sign gᵢ (linf): the steepest way up. Where gᵢ is zero or not finite in l2, a
/// random direction takes its place, of `key`.
template <Real T>
void ascend_(Tensor<T>& delta, Norm norm, const Tensor<T>& g, const std::vector<double>& step, const NoiseKey& key) {
  expect(g.shape() == delta.shape(), "attack: the gradient is ", g.shape(), ", the perturbation ", delta.shape());
  const std::int64_t n = delta.shape()[0], width = delta.shape().inner(0);
  Tensor<T> random;
  for (std::int64_t i = 0; i < n; ++i) {
    T* d = delta.data() + i * width;
    const T* v = g.data() + i * width;
    const double s = step[std::size_t(i)];
    if (norm == Norm::linf) {
      for (std::int64_t j = 0; j < width; ++j) d[j] += T(s) * T((v[j] > 0) - (v[j] < 0));
      continue;
    }
    const double length = std::sqrt(cpu::squares_of(Cpu{}, width, v));
    if (length > 0 && std::isfinite(length)) {
      for (std::int64_t j = 0; j < width; ++j) d[j] += T(s / length) * v[j];
    } else {
      if (!random.defined()) random = random_directions<T>(norm, delta.shape(), step, key);
      for (std::int64_t j = 0; j < width; ++j) d[j] += std::as_const(random).data()[i * width + j];
    }
  }
}

}  // namespace tenzo::attack
