// Joining tensors along an axis, and taking them apart again.
#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/ops/value.hpp"

namespace tenzo {

/// A shape cut into at most `most` parts along an axis.
struct Parts {
  static constexpr std::size_t most = 8;

  Shape whole;
  int axis = 0;
  std::size_t count = 0;
  std::array<std::int64_t, most> extent{};

  Shape shape(std::size_t k) const { return whole.with(axis, extent[k]); }

  /// Calls f(k, elements before part k in a row, elements of part k in a row) where a row is all from `axis` on.
  template <class F>
  void for_each(F&& f) const {
    const std::int64_t inner = whole.inner(axis);
    for (std::size_t k = 0, at = 0; k < count; at += std::size_t(extent[k++]))
      f(k, std::int64_t(at) * inner, extent[k] * inner);
  }
};

struct Split;

/// The parts one after another along the axis; an undefined part is zero.
struct Concat {
  static constexpr std::size_t inputs = Parts::most, outputs = 1;
  static constexpr std::string_view name = "concat";
  static constexpr bool reads_inputs[inputs] = {}, reads_outputs[] = {false};
  Parts parts;

  template <class T, class D>
  Values<Tensor<T, D>, 1> eval(const Values<Tensor<T, D>, inputs>& x) const {
    Tensor<T, D> y(parts.whole);
    const std::int64_t rows = parts.whole.outer(parts.axis), row = parts.whole.inner(parts.axis - 1);
    parts.for_each([&](std::size_t k, std::int64_t at, std::int64_t n) {
      const Tensor<T, D> part = x[k].defined() ? x[k] : Tensor<T, D>::zeros(Shape{1});
      const bool given = x[k].defined();
      copy_strided(D{}, Shape{rows, n}, std::as_const(part).data(), Strides{given ? n : 0, given}, y.data() + at,
                   Strides{row, 1});
    });
    return {y};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, inputs>&, const Values<V, inputs>& dx, const Values<V, 1>&) const {
    return dispatch(*this, dx);
  }
  template <class V>
  Values<V, inputs> vjp(const Values<V, inputs>&, const Values<V, 1>&, const Values<V, 1>& gy,
                        const Values<bool, inputs>&) const;
};

/// The parts of x along the axis: views where they lie together, else copies. The adjoint of Concat.
struct Split {
  static constexpr std::size_t inputs = 1, outputs = Parts::most;
  static constexpr std::string_view name = "split";
  static constexpr bool reads_inputs[] = {false}, reads_outputs[outputs] = {};
  Parts parts;

  template <class T, class D>
  Values<Tensor<T, D>, outputs> eval(const Values<Tensor<T, D>, 1>& x) const {
    Values<Tensor<T, D>, outputs> y;
    const std::int64_t rows = parts.whole.outer(parts.axis), row = parts.whole.inner(parts.axis - 1);
    parts.for_each([&](std::size_t k, std::int64_t at, std::int64_t n) {
      if (rows == 1) {
        y[k] = x[0].reshaped(Shape{row}).rows(at, at + n).reshaped(parts.shape(k));
      } else {
        y[k] = Tensor<T, D>(parts.shape(k));
        copy_strided(D{}, Shape{rows, n}, x[0].data() + at, Strides{row, 1}, y[k].data(), Strides{n, 1});
      }
    });
    return y;
  }
  template <class V>
  Values<V, outputs> jvp(const Values<V, 1>&, const Values<V, 1>& dx, const Values<V, outputs>&) const {
    return dispatch(*this, dx);
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>&, const Values<V, outputs>&, const Values<V, outputs>& gy,
                   const Values<bool, 1>&) const {
    return dispatch(Concat{parts}, gy);
  }
};

template <class V>
Values<V, Concat::inputs> Concat::vjp(const Values<V, inputs>&, const Values<V, 1>&, const Values<V, 1>& gy,
                                      const Values<bool, inputs>&) const {
  return dispatch(Split{parts}, gy);
}

/// Tensors one after another along an axis; they agree in all other axes. One copy for up to 8 of them, two for up
/// to 64, and so on.
template <Value V>
V concat(const std::vector<V>& x, int axis) {
  expect(!x.empty(), "concat: no tensors");
  const Shape& first = x[0].shape();
  const int a = first.normalized_axis(axis);
  for (const V& v : x)
    expect(v.defined() && v.shape().rank() == first.rank() && v.shape().with(a, 0) == first.with(a, 0),
           "concat: ", first, " and ", v.shape(), " differ in more than axis ", a);
  std::vector<V> level = x;
  while (level.size() > 1) {
    std::vector<V> joined;
    for (std::size_t i = 0; i < level.size(); i += Parts::most) {
      Concat c{{first, a}};
      Values<V, Parts::most> parts;
      std::int64_t length = 0;
      for (; c.parts.count < std::min(Parts::most, level.size() - i); ++c.parts.count) {
        parts[c.parts.count] = level[i + c.parts.count];
        length += c.parts.extent[c.parts.count] = parts[c.parts.count].shape()[a];
      }
      c.parts.whole = first.with(a, length);
      joined.push_back(c.parts.count == 1 ? parts[0] : dispatch(c, parts)[0]);
    }
    level = std::move(joined);
  }
  return level[0];
}
template <Value A, Value B>
auto concat(const A& a, const B& b, int axis) {
  using V = promote_t<A, B>;
  return concat(std::vector<V>{lift<V>(a), lift<V>(b)}, axis);
}

/// Tensors of one shape along a new axis.
template <Value V>
V stack(const std::vector<V>& x, int axis) {
  expect(!x.empty(), "stack: no tensors");
  std::vector<V> parts;
  for (const V& v : x) parts.push_back(unsqueeze(v, axis));
  return concat(parts, axis < 0 ? axis + parts[0].shape().rank() : axis);
}

/// Parts of the given lengths along an axis; the lengths sum to the axis.
template <Value V>
std::vector<V> split(const V& x, const std::vector<std::int64_t>& lengths, int axis) {
  const Shape& in = x.shape();
  const int a = in.normalized_axis(axis);
  std::int64_t total = 0;
  for (const std::int64_t n : lengths) {
    require(n >= 0, "split: a length of ", n, "; want at least 0");
    total += n;
  }
  expect(total == in[a], "split: lengths sum to ", total, ", axis ", a, " of ", in, " has ", in[a]);
  std::vector<V> out;
  if (lengths.size() > Parts::most) {  // a slice of eight first, then its parts
    std::vector<std::int64_t> groups;
    const std::size_t width = (lengths.size() + Parts::most - 1) / Parts::most;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      if (i % width == 0) groups.push_back(0);
      groups.back() += lengths[i];
    }
    const std::vector<V> wholes = split(x, groups, a);
    for (std::size_t g = 0; g < wholes.size(); ++g) {
      const auto first = lengths.begin() + std::ptrdiff_t(g * width);
      const auto last = lengths.begin() + std::ptrdiff_t(std::min(lengths.size(), (g + 1) * width));
      for (V& part : split(wholes[g], std::vector<std::int64_t>(first, last), a)) out.push_back(std::move(part));
    }
    return out;
  }
  Split s{{in, a, lengths.size()}};
  std::copy(lengths.begin(), lengths.end(), s.parts.extent.begin());
  auto y = dispatch(s, Values<V, 1>{x});
  for (std::size_t k = 0; k < lengths.size(); ++k) out.push_back(std::move(y[k]));
  return out;
}
/// `n` parts of equal length along an axis; the last one is shorter where n does not divide it.
template <Value V>
std::vector<V> chunk(const V& x, std::int64_t n, int axis) {
  require(n > 0, "chunk: ", n, " parts; want at least 1");
  const std::int64_t length = x.shape().dim(axis), each = std::max<std::int64_t>(1, (length + n - 1) / n);
  std::vector<std::int64_t> lengths;
  for (std::int64_t at = 0; at < length; at += each) lengths.push_back(std::min(each, length - at));
  return split(x, lengths, axis);
}

}  // namespace tenzo
