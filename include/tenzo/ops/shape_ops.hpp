// Operations that move elements and compute nothing: reshape, permute, slice, pad.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "tenzo/core/axes.hpp"
#include "tenzo/ops/arithmetic.hpp"
#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/linear_map.hpp"

namespace tenzo {

/// The same elements under another shape; nothing is copied.
struct Reshape {
  static constexpr std::string_view name = "reshape";
  Shape in, out;

  template <class T, class D>
  Tensor<T, D> view(const Tensor<T, D>& x) const {
    return x.reshaped(out);
  }
  template <class T, class D>
  Tensor<T, D> adjoint_view(const Tensor<T, D>& gy) const {
    return gy.reshaped(in);
  }
};

template <Value V>
V reshape(const V& x, const Shape& shape) {
  if (!x.defined() || x.shape() == shape) return x;
  expect(x.shape().numel() == shape.numel(), "reshape: ", x.shape(), " has other elements than ", shape);
  return apply_linear(Reshape{x.shape(), shape}, x);
}
/// One axis may be -1: as long as the number of elements wants it.
template <Value V>
V reshape(const V& x, std::initializer_list<std::int64_t> dims) {
  std::int64_t rest = x.shape().numel(), open = 0;
  for (const std::int64_t d : dims) {
    if (d == -1) ++open;
    else if (d > 0) rest /= d;
  }
  expect(open <= 1, "reshape: more than one axis of unknown length");
  Shape shape;
  for (const std::int64_t d : dims) {
    expect(d >= -1, "reshape: a length of ", d);
    shape.push_back(d == -1 ? rest : d);
  }
  return reshape(x, shape);
}
/// All elements along one axis.
template <Value V>
V flatten(const V& x) {
  return reshape(x, Shape{x.shape().numel()});
}
/// With a further axis of one element before `axis`; -1 puts it at the end.
template <Value V>
V unsqueeze(const V& x, int axis) {
  const int rank = x.shape().rank(), a = axis < 0 ? axis + rank + 1 : axis;
  expect(0 <= a && a <= rank, "unsqueeze: axis ", axis, " of a tensor of rank ", rank);
  return reshape(x, x.shape().inserted(a, 1));
}
/// Without the axis, which has one element.
template <Value V>
V squeeze(const V& x, int axis) {
  expect(x.shape().dim(axis) == 1, "squeeze: axis ", axis, " of ", x.shape(), " has more than one element");
  return reshape(x, x.shape().without(axis));
}

/// y's axis i is x's axis order[i].
struct Permute {
  static constexpr std::string_view name = "permute";
  Shape in, out;
  Axes order;

  Permute(const Shape& x, const Axes& axes) : in(x), order(axes.normalized(x)) {
    expect(order.count() == x.rank(), "permute: ", axes, " names not all axes of ", x);
    for (const int a : order) out.push_back(x[a]);
  }

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    copy_strided(device, out, x, walk_of_input(), y, strides_of(out));
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    copy_strided(device, out, gy, strides_of(out), gx, walk_of_input());
  }

 private:
  Strides walk_of_input() const {
    const auto strides = strides_of(in);
    Strides walk{};
    for (int i = 0; i < order.count(); ++i) walk[i] = strides[order[i]];
    return walk;
  }
};

/// The axes in another order: axis i of the result is axis order[i] of x.
template <Value V>
V permute(const V& x, const Axes& order) {
  const Permute p(x.shape(), order);
  // Axes of one element may go anywhere without moving an element.
  int last = -1;
  bool moves = false;
  for (const int a : p.order) {
    if (p.in[a] == 1) continue;
    moves = moves || a < last;
    last = a;
  }
  return moves ? apply_linear(p, x) : reshape(x, p.out);
}
/// Two axes exchanged; by default the last two.
template <Value V>
V transpose(const V& x, int axis_a = -2, int axis_b = -1) {
  const int a = x.shape().normalized_axis(axis_a), b = x.shape().normalized_axis(axis_b);
  Axes order;
  for (int i = 0; i < x.shape().rank(); ++i) order.push_back(i == a ? b : i == b ? a : i);
  return permute(x, order);
}

/// Elements begin, begin + step, … along each axis. Its adjoint writes them into zeros.
struct Slice {
  static constexpr std::string_view name = "slice";
  Shape in, out;
  Strides begin{}, step{};

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    copy_strided(device, out, x + offset(), walk(), y, strides_of(out));
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    fill(device, in.numel(), gx, T(0));
    copy_strided(device, out, gy, strides_of(out), gx + offset(), walk());
  }

 private:
  std::int64_t offset() const {
    const auto strides = strides_of(in);
    std::int64_t o = 0;
    for (int i = 0; i < in.rank(); ++i) o += begin[i] * strides[i];
    return out.numel() == 0 ? 0 : o;
  }
  Strides walk() const {
    Strides w = strides_of(in);
    for (int i = 0; i < in.rank(); ++i) w[i] *= step[i];
    return w;
  }
};

/// A slice that lies in one piece of memory: shared, not copied.
struct ContiguousSlice {
  static constexpr std::string_view name = "slice";
  Shape in, out;
  std::int64_t offset = 0;

  template <class T, class D>
  Tensor<T, D> view(const Tensor<T, D>& x) const {
    return x.reshaped(Shape{in.numel()}).rows(offset, offset + out.numel()).reshaped(out);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    fill(device, in.numel(), gx, T(0));
    copy_elements(device, out.numel(), gy, gx + offset);
  }
};

/// Elements start, start + step, … before stop along one axis. As in Python, negative positions count from the end and
/// positions beyond the ends are moved to them. A view where the elements lie together, else a copy.
template <Value V>
V slice(const V& x, int axis, std::int64_t start, std::int64_t stop, std::int64_t step = 1) {
  require(step > 0, "slice: step is ", step, "; want at least 1");
  const Shape& in = x.shape();
  const int a = in.normalized_axis(axis);
  const auto within = [n = in[a]](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + n : i, 0, n); };
  const std::int64_t begin = within(start), end = std::max(begin, within(stop));
  const Shape out = in.with(a, end > begin ? 1 + (end - begin - 1) / step : 0);
  if (out == in) return x;
  if (step == 1 && in.outer(a) == 1) return apply_linear(ContiguousSlice{in, out, begin * in.inner(a)}, x);
  Slice s{in, out};
  s.step.fill(1);
  s.begin[a] = begin;
  s.step[a] = step;
  return apply_linear(s, x);
}

/// How many elements are put before and after those of an axis.
struct AxisPad {
  int axis = 0;
  std::int64_t before = 0, after = 0;
};

/// x with a border of `value` along the named axes.
template <Value V>
V pad(const V& x, std::initializer_list<AxisPad> pads, double value = 0) {
  Slice inside{x.shape(), x.shape()};
  inside.step.fill(1);
  for (const AxisPad& p : pads) {
    require(p.before >= 0 && p.after >= 0, "pad: (", p.before, ", ", p.after, ") of axis ", p.axis,
            "; want at least 0");
    const int a = x.shape().normalized_axis(p.axis);
    inside.begin[a] += p.before;
    inside.in = inside.in.with(a, inside.in[a] + p.before + p.after);
  }
  if (inside.in == inside.out) return x;
  const V y = dispatch(AdjointMap<Slice>{inside}, Values<V, 1>{x})[0];
  if (value == 0) return y;
  using Plain = plain_t<V>;
  const Plain hole = dispatch(AdjointMap<Slice>{inside}, Values<Plain, 1>{Plain::ones(inside.out)})[0];
  return add(y, scale(1.0 - hole, value));
}

}  // namespace tenzo
