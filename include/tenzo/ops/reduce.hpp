// Reductions over axes. Sums run in a fixed order: the same bits on any number of threads.
#pragma once

#include <algorithm>
#include <string_view>

#include "tenzo/core/axes.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

namespace detail {

/// `x` with the axes shrunk to one element each; and without them.
inline Shape kept(const Shape& x, const Axes& axes) {
  Shape s = x;
  for (const int a : axes.normalized(x)) s = s.with(a, 1);
  return s;
}
inline Shape dropped(const Shape& x, const Axes& axes) {
  const Axes gone = axes.normalized(x);
  Shape s;
  for (int i = 0; i < x.rank(); ++i)
    if (!gone.contains(i)) s.push_back(x[i]);
  return s;
}
inline std::int64_t reduced_count(const Shape& x, const Axes& axes) {
  std::int64_t n = 1;
  for (const int a : axes.normalized(x)) n *= x[a];
  return n;
}
/// The result of a reduction that kept its axes, without them unless `keepdim`.
template <Value V>
V finish_reduction(const V& y, const Shape& x, const Axes& axes, bool keepdim) {
  return keepdim ? y : reshape(y, dropped(x, axes));
}

}  // namespace detail

/// Σ over the axes. They stay with one element each where `keepdim`, else they go.
template <Value V>
V sum(const V& x, const Axes& axes, bool keepdim = false) {
  return detail::finish_reduction(sum_to(x, detail::kept(x.shape(), axes)), x.shape(), axes, keepdim);
}
/// Σ over everything; of rank 0.
template <Value V>
V sum(const V& x) {
  return sum_to(x, Shape{});
}

/// Mean over the axes; NaN over none.
template <Value V>
V mean(const V& x, const Axes& axes, bool keepdim = false) {
  return scale(sum(x, axes, keepdim), 1.0 / double(detail::reduced_count(x.shape(), axes)));
}
template <Value V>
V mean(const V& x) {
  return scale(sum(x), 1.0 / double(x.shape().numel()));
}

/// Σ (x − mean)² / (n − correction) over the axes, in two passes: no digits are lost where the mean is large.
template <Value V>
V variance(const V& x, const Axes& axes, double correction = 1, bool keepdim = false) {
  const double n = double(detail::reduced_count(x.shape(), axes));
  return scale(sum(square(sub(x, mean(x, axes, true))), axes, keepdim), 1.0 / std::max(0.0, n - correction));
}

/// √Σ x² over the axes. Not differentiable at zero: the derivative there is NaN.
template <Value V>
V norm(const V& x, const Axes& axes, bool keepdim = false) {
  return sqrt(sum(square(x), axes, keepdim));
}

namespace detail {

/// Positions of the extreme elements along an axis, which stays with one element.
template <class T, class D, class Better>
Positions<D> arg_extreme_of(std::string_view op, const Tensor<T, D>& x, int axis, Better better) {
  const int a = x.shape().normalized_axis(axis);
  expect(x.dim(a) > 0, op, ": axis ", a, " of ", x.shape(), " is empty");
  Positions<D> at(x.shape().with(a, 1));
  arg_extreme(D{}, AroundAxis(x.shape(), a), better, x.data(), at.data());
  return at;
}

}  // namespace detail

/// Position of the largest element along an axis; the first among equals. A NaN counts as the largest.
template <Value V>
Positions<device_t<V>> argmax(const V& x, int axis, bool keepdim = false) {
  const Positions<device_t<V>> at = detail::arg_extreme_of("argmax", plain(x), axis, fn::Greater{});
  return keepdim ? at : at.reshaped(x.shape().without(axis));
}
/// Position of the smallest element along an axis; the first among equals. A NaN counts as the smallest.
template <Value V>
Positions<device_t<V>> argmin(const V& x, int axis, bool keepdim = false) {
  const Positions<device_t<V>> at = detail::arg_extreme_of("argmin", plain(x), axis, fn::Less{});
  return keepdim ? at : at.reshaped(x.shape().without(axis));
}

/// Largest element along an axis. The derivative goes to the first one among equals.
template <Value V>
V max(const V& x, int axis, bool keepdim = false) {
  return detail::finish_reduction(gather(x, axis, argmax(x, axis, true)), x.shape(), axis, keepdim);
}
/// Smallest element along an axis. The derivative goes to the first one among equals.
template <Value V>
V min(const V& x, int axis, bool keepdim = false) {
  return detail::finish_reduction(gather(x, axis, argmin(x, axis, true)), x.shape(), axis, keepdim);
}

/// y(o, j, i) = Σ_{l ≤ j} x(o, l, i) along an axis.
struct CumulativeSum {
  static constexpr std::string_view name = "cumsum";
  Shape in, out;
  int axis = 0;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    cumulative_sum(device, AroundAxis(in, axis), false, x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    cumulative_sum(device, AroundAxis(in, axis), true, gy, gx);
  }
};

/// Sums of the first 1, 2, … elements along an axis.
template <Value V>
V cumsum(const V& x, int axis) {
  return apply_linear(CumulativeSum{x.shape(), x.shape(), x.shape().normalized_axis(axis)}, x);
}

/// What becomes of a loss's terms.
enum class Reduction { mean, sum, none };

/// The terms' mean or sum, of rank 0, or the terms themselves.
template <Value V>
V reduced(const V& terms, Reduction reduction) {
  switch (reduction) {
    case Reduction::mean: return mean(terms);
    case Reduction::sum: return sum(terms);
    default: return terms;
  }
}

}  // namespace tenzo
