// Zeroth-order gradients of many losses at once: the loss of each sample of a batch by its own row. One evaluation of a
// batch asks all samples about a direction each, so a black box sees q + 1 batches, not q + 1 batches a sample.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/ops/cpu/update.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::zo {

/// The losses (n) of a batch, and the gradient of each by its row.
template <Real T>
struct SampleGradients {
  Tensor<T> losses, gradient;
  std::int64_t queries = 0;  // losses asked for of each sample
};

namespace detail {

/// z + s u of a direction that has a row of its own for each sample, of length √d where it is on a sphere.
template <Real T>
Tensor<T> moved_rows(const Tensor<T>& z, const Tensor<T>& u, double s) {
  Tensor<T> out(z.shape());
  map(Cpu{}, out.size(), out.data(), tenzo::fn::AddScaled<T>{T(s)}, z.data(), u.data());
  return out;
}

template <Real T>
Tensor<T> direction_rows(const Direction& d, const Shape& shape) {
  Tensor<T> u(shape);
  const std::int64_t n = shape[0], width = shape.inner(0);
  if (u.size() == 0) return u;
  fill_matrix(noise_law(d), noise_key(d, 0), n, width, u.data());
  if (d.law == DirectionLaw::sphere)
    for (std::int64_t i = 0; i < n; ++i) {
      T* row = u.data() + i * width;
      const double length = std::sqrt(cpu::squares_of(Cpu{}, width, row));
      for (std::int64_t j = 0; j < width; ++j) row[j] *= T(std::sqrt(double(width)) / length);
    }
  return u;
}

template <Real T>
void expect_losses(const Tensor<T>& losses, std::int64_t n) {
  expect(losses.size() == n, "zo: losses ", losses.shape(), " of ", n, " samples");
}

}  // namespace detail

/// ĝᵢ = 1/q Σ [ℓᵢ(zᵢ + εu) − ℓᵢ(zᵢ)] / ε · u (one-sided), or two-sided: `rge` of each sample's loss by its row, with
/// the directions of RgeOptions, an independent row a sample.
///   losses(z) → (n); z (n, …)
///   Directions on a sphere have length √d, so ε is the radius μ of unit directions times 1/√d.
///   Queries  q + 1 one-sided, 2q + 1 two-sided: the losses themselves are asked for, too.
///   Throws   ValueError for masks and low-rank directions, and as `rge` does.
template <Real T, class Losses>
SampleGradients<T> per_sample_rge(Losses&& losses, const Tensor<T>& z, std::uint64_t seed, std::uint32_t step,
                                  const RgeOptions& o = {}) {
  require(o.queries > 0 && o.eps > 0, "per-sample rge: ", o.queries, " queries of radius ", o.eps);
  require(!o.masks && o.rank == 0 && o.law != DirectionLaw::coordinate,
          "per-sample rge: wants Gaussian, Rademacher or sphere directions without masks or ranks");
  expect(z.rank() > 0, "per-sample rge: samples along the first axis of ", z.shape());
  const std::int64_t n = z.shape()[0], width = z.shape().inner(0);
  SampleGradients<T> g{losses(z), Tensor<T>::zeros(z.shape()), 1};
  detail::expect_losses(g.losses, n);
  for (int q = 0; q < o.queries; ++q) {
    const Tensor<T> u = detail::direction_rows<T>(o.direction(seed, step, std::uint32_t(q)), z.shape());
    const Tensor<T> up = losses(detail::moved_rows(z, u, o.eps));
    const Tensor<T> down = o.two_sided ? losses(detail::moved_rows(z, u, -o.eps)) : g.losses;
    detail::expect_losses(up, n);
    detail::expect_losses(down, n);
    g.queries += o.two_sided ? 2 : 1;
    for (std::int64_t i = 0; i < n; ++i) {
      const double slope = (double(up(i)) - double(down(i))) / (o.two_sided ? 2 * o.eps : o.eps) / o.queries;
      const T* from = u.data() + i * width;
      T* to = g.gradient.data() + i * width;
      for (std::int64_t j = 0; j < width; ++j) to[j] += T(slope) * from[j];
    }
  }
  return g;
}

/// ĝᵢ = Σⱼ [ℓᵢ(zᵢ + μeⱼ) − ℓᵢ(zᵢ − μeⱼ)] / 2μ · eⱼ, or one-sided: `cge` of each sample's loss by its row.
///   Queries  2d + 1 two-sided (the losses themselves with them), d + 1 one-sided, for d numbers a sample.
template <Real T, class Losses>
SampleGradients<T> per_sample_cge(Losses&& losses, const Tensor<T>& z, double mu, bool two_sided = true) {
  require(mu > 0, "per-sample cge: a radius of ", mu);
  expect(z.rank() > 0, "per-sample cge: samples along the first axis of ", z.shape());
  const std::int64_t n = z.shape()[0], width = z.shape().inner(0);
  SampleGradients<T> g{losses(z), Tensor<T>(z.shape()), 1};
  detail::expect_losses(g.losses, n);
  const auto at = [&](std::int64_t j, double s) {
    Tensor<T> moved = z.clone();
    for (std::int64_t i = 0; i < n; ++i) moved(i * width + j) += T(s);
    const Tensor<T> l = losses(moved);
    detail::expect_losses(l, n);
    ++g.queries;
    return l;
  };
  for (std::int64_t j = 0; j < width; ++j) {
    const Tensor<T> up = at(j, mu), down = two_sided ? at(j, -mu) : g.losses;
    for (std::int64_t i = 0; i < n; ++i)
      g.gradient(i * width + j) = T((double(up(i)) - double(down(i))) / (two_sided ? 2 * mu : mu));
  }
  return g;
}

}  // namespace tenzo::zo
