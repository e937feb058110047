// Support vector machines of two classes with a Gaussian kernel, trained by sequential minimal optimisation.
//   Source  Fan, Chen, Lin 2005, "Working set selection using second order information"; Platt 1998.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <list>
#include <span>
#include <utility>
#include <vector>

#include "tenzo/core/tensor.hpp"

namespace tenzo::unlearn {

struct SvmOptions {
  double c = 3;             // bound of every multiplier
  double gamma = 0;         // of the kernel; 0: 1 / number of features
  double tolerance = 1e-3;  // largest violation of the optimality conditions that is left
  std::int64_t steps = 10'000'000;
  std::int64_t cache = std::int64_t(256) << 20;  // bytes for rows of the kernel's matrix
};

/// f(x) = Σ uᵢ exp(−γ ‖xᵢ − x‖²) + b over the support vectors.
struct Svm {
  Tensor<double> vectors;      // (s, features): the samples that count
  std::vector<double> u;       // (s): yᵢ αᵢ, in [−c, c]
  Tensor<double> multipliers;  // (n): αᵢ of all samples
  double bias = 0, gamma = 1;
  std::int64_t steps = 0;
  double violation = 0;  // of the optimality conditions, at the end
  bool converged = false;

  /// f of one sample (features).
  double operator()(std::span<const double> x) const {
    const std::int64_t d = vectors.shape()[1];
    expect(std::int64_t(x.size()) == d, "svm: a sample of ", x.size(), " features; want ", d);
    double f = bias;
    for (std::int64_t i = 0; i < vectors.shape()[0]; ++i) {
      double squares = 0;
      for (std::int64_t k = 0; k < d; ++k) {
        const double gap = vectors(i, k) - x[std::size_t(k)];
        squares += gap * gap;
      }
      f += u[std::size_t(i)] * std::exp(-gamma * squares);
    }
    return f;
  }
};

namespace detail {

/// Rows of exp(−γ ‖xᵢ − xⱼ‖²), computed where they are asked for; those of late are kept.
class GaussianRows {
 public:
  GaussianRows(const Tensor<double>& x, double gamma, std::int64_t bytes)
      : x_(x), gamma_(gamma), rows_(std::size_t(x.shape()[0])), place_(rows_.size()) {
    const std::int64_t n = std::max<std::int64_t>(1, x.shape()[0]);
    most_ = std::size_t(std::max<std::int64_t>(2, bytes / (n * std::int64_t(sizeof(double)))));
  }

  /// Valid until the row after next is asked for.
  const std::vector<double>& operator()(std::int64_t i) {
    std::vector<double>& row = rows_[std::size_t(i)];
    if (!row.empty()) {
      order_.splice(order_.begin(), order_, place_[std::size_t(i)]);
      return row;
    }
    if (order_.size() == most_) {
      std::vector<double>& oldest = rows_[std::size_t(order_.back())];
      row = std::move(oldest);
      oldest = {};
      order_.pop_back();
    }
    order_.push_front(i);
    place_[std::size_t(i)] = order_.begin();
    const std::int64_t n = x_.shape()[0], d = x_.shape()[1];
    row.resize(std::size_t(n));
    const double* a = x_.data() + i * d;
    for (std::int64_t j = 0; j < n; ++j) {
      const double* b = x_.data() + j * d;
      double squares = 0;
      for (std::int64_t k = 0; k < d; ++k) squares += (a[k] - b[k]) * (a[k] - b[k]);
      row[std::size_t(j)] = std::exp(-gamma_ * squares);
    }
    return row;
  }

 private:
  const Tensor<double>& x_;
  double gamma_;
  std::size_t most_;
  std::vector<std::vector<double>> rows_;
  std::list<std::int64_t> order_;  // the latest first
  std::vector<std::list<std::int64_t>::iterator> place_;
};

}  // namespace detail

/// The machine of least  ½ Σᵢⱼ uᵢ uⱼ K(xᵢ, xⱼ) − Σᵢ yᵢ uᵢ  with Σ uᵢ = 0 and yᵢ uᵢ ∈ [0, c].
///   x (n, features), y (n): 1 or −1
///   Method  v = y − K u. A pair i, j can move by uᵢ + t, uⱼ − t; i is the largest v of those that may grow, j of those
///           that may shrink the one with the largest gain (vᵢ − vⱼ)² / (2 − 2 Kᵢⱼ). At the end no pair's v differ by
///           more than `tolerance`.
///   Cost    O(n) a step, and a row of the kernel O(n features) where it is not kept; about n steps.
///   Ties    all by the order of the samples; one thread: the same bits everywhere.
///   Throws  ValueError where a class is absent, a label is another number, a feature is not finite.
inline Svm train_svm(const Tensor<double>& x, std::span<const int> y, const SvmOptions& o = {}) {
  expect(x.rank() == 2 && x.shape()[0] == std::int64_t(y.size()), "svm: x is ", x.shape(), " for ", y.size(),
         " labels; want (n, features)");
  const std::size_t n = y.size();
  require(o.c > 0 && o.tolerance > 0 && o.gamma >= 0, "svm: c ", o.c, ", tolerance ", o.tolerance, ", gamma ", o.gamma);
  for (const int label : y) require(label == 1 || label == -1, "svm: a label ", label, "; want 1 or -1");
  require(std::count(y.begin(), y.end(), 1) > 0 && std::count(y.begin(), y.end(), -1) > 0,
          "svm: samples of one class alone");
  for (const double f : x.values()) require(std::isfinite(f), "svm: a feature that is not finite");

  Svm m;
  m.gamma = o.gamma > 0 ? o.gamma : 1 / double(std::max<std::int64_t>(1, x.shape()[1]));
  detail::GaussianRows kernel(x, m.gamma, o.cache);
  std::vector<double> u(n, 0.0), v(y.begin(), y.end());
  const auto room_up = [&](std::size_t i) { return y[i] > 0 ? o.c - u[i] : -u[i]; };
  const auto room_down = [&](std::size_t i) { return y[i] > 0 ? u[i] : o.c + u[i]; };
  constexpr double inf = std::numeric_limits<double>::infinity();
  double top = -inf, low = inf;
  for (;; ++m.steps) {
    std::size_t i = 0, j = 0;
    top = -inf, low = inf;
    for (std::size_t t = 0; t < n; ++t)
      if (room_up(t) > 0 && v[t] > top) top = v[t], i = t;
    const std::vector<double>& of_i = kernel(std::int64_t(i));
    double best = -inf;
    for (std::size_t t = 0; t < n; ++t) {
      if (!(room_down(t) > 0)) continue;
      low = std::min(low, v[t]);
      const double gap = top - v[t];
      if (gap <= 0) continue;
      const double gain = gap * gap / std::max(2 - 2 * of_i[t], 1e-12);
      if (gain > best) best = gain, j = t;
    }
    m.converged = top - low <= o.tolerance;
    if (m.converged || m.steps == o.steps) break;
    const std::vector<double>& of_j = kernel(std::int64_t(j));
    const double up = room_up(i), down = room_down(j);
    const double t = std::min({(top - v[j]) / std::max(2 - 2 * of_i[j], 1e-12), up, down});
    // Exactly on a bound where it ends there.
    u[i] = t == up ? (y[i] > 0 ? o.c : 0.0) : u[i] + t;
    u[j] = t == down ? (y[j] > 0 ? 0.0 : -o.c) : u[j] - t;
    for (std::size_t k = 0; k < n; ++k) v[k] -= t * (of_i[k] - of_j[k]);
  }
  m.violation = std::max(0.0, top - low);

  double free_sum = 0;
  std::int64_t free = 0, count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    count += u[i] != 0;
    if (room_up(i) > 0 && room_down(i) > 0) free_sum += v[i], ++free;
  }
  m.bias = free > 0 ? free_sum / double(free) : (top + low) / 2;
  const std::int64_t d = x.shape()[1];
  m.vectors = Tensor<double>(Shape{count, d});
  m.multipliers = Tensor<double>(Shape{std::int64_t(n)});
  for (std::size_t i = 0; i < n; ++i) {
    m.multipliers(std::int64_t(i)) = std::abs(u[i]);
    if (u[i] == 0) continue;
    std::copy_n(x.data() + std::int64_t(i) * d, d, m.vectors.data() + std::int64_t(m.u.size()) * d);
    m.u.push_back(u[i]);
  }
  return m;
}

}  // namespace tenzo::unlearn
