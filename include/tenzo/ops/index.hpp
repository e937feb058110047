// Reading elements by their positions, and the adjoint: adding to them. Positions are data, not values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "tenzo/ops/cpu/index.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/ops/shape_ops.hpp"
#include "tenzo/ops/shapes/axis.hpp"

namespace tenzo {

/// Positions along an axis; on the host, or where they were found.
template <class M>
using Positions = Tensor<std::int64_t, M>;
using Indices = Positions<Cpu>;

namespace detail {

/// Positions on another device are the result of a search there, and in their range.
template <class M>
void check_indices(std::string_view op, const Positions<M>& index, std::int64_t extent) {
  if constexpr (HostDevice<M>)
    for (std::int64_t i = 0; i < index.size(); ++i)
      require(0 <= index(i) && index(i) < extent, op, ": index ", index(i), " at position ", i, " is not in [0, ",
              extent, ")");
}

}  // namespace detail

/// y(o, j, i) = x(o, index[j], i) around one axis. Its adjoint adds the rows j to row index[j].
template <class M>
struct IndexSelect {
  static constexpr std::string_view name = "index_select";
  Shape in, out;
  int axis = 0;
  Positions<M> index;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    select_rows(device, AroundAxis(in, axis), index.size(), index.template on<D>().data(), x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    add_rows(device, AroundAxis(in, axis), index.size(), index.template on<D>().data(), gy, gx);
  }
};

/// y(o, j, i) = x(o, index(o, j, i), i) around one axis. Its adjoint adds.
template <class M>
struct Gather {
  static constexpr std::string_view name = "gather";
  Shape in, out;
  int axis = 0;
  Positions<M> index;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    gather_elements(device, AroundAxis(in, axis), out[axis], index.template on<D>().data(), x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    scatter_elements(device, AroundAxis(in, axis), out[axis], index.template on<D>().data(), gy, gx);
  }
};

/// The rows index[0], index[1], … of an axis.  x (…, n, …), index (k) → (…, k, …).
///   Throws ValueError for an index outside [0, n).
template <Value V, class M>
V index_select(const V& x, int axis, const Positions<M>& index) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.rank() == 1, "index_select: the index is ", index.shape(), "; want one axis");
  detail::check_indices("index_select", index, x.shape()[a]);
  return apply_linear(IndexSelect<M>{x.shape(), x.shape().with(a, index.size()), a, index}, x);
}

/// Zeros of n rows with the rows of x added at index[0], index[1], …: the adjoint of index_select.
///   x (…, k, …), index (k) → (…, n, …)
template <Value V, class M>
V index_add(const V& x, int axis, const Positions<M>& index, std::int64_t n) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.rank() == 1 && index.size() == x.shape()[a], "index_add: x is ", x.shape(), ", the index ",
         index.shape(), "; want one index a row of axis ", a);
  detail::check_indices("index_add", index, n);
  return dispatch(AdjointMap<IndexSelect<M>>{{x.shape().with(a, n), x.shape(), a, index}}, Values<V, 1>{x})[0];
}

/// Rows of a table.  table (n, …), index of any shape → (index's shape, …).
template <Value V, class M>
V embedding(const V& table, const Positions<M>& index) {
  expect(table.shape().rank() > 0, "embedding: the table is ", table.shape(), "; want rows");
  Shape out = index.shape();
  for (int i = 1; i < table.shape().rank(); ++i) out.push_back(table.shape()[i]);
  detail::check_indices("embedding", index, table.shape()[0]);
  const Positions<M> flat = index.reshaped(Shape{index.size()});
  return reshape(apply_linear(IndexSelect<M>{table.shape(), table.shape().with(0, flat.size()), 0, flat}, table), out);
}

/// y(o, j, i) = x(o, index(o, j, i), i).  x (…, n, …), index (…, k, …) of at most x's extents beside the axis.
template <Value V, class M>
V gather(const V& x, int axis, const Positions<M>& index) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.rank() == x.shape().rank(), "gather: x is ", x.shape(), ", the index ", index.shape(),
         "; want as many axes");
  V from = x;
  for (int i = 0; i < index.rank(); ++i) {
    if (i == a) continue;
    expect(index.shape()[i] <= x.shape()[i], "gather: x is ", x.shape(), ", the index ", index.shape(), "; axis ", i,
           " is longer than x's");
    from = slice(from, i, 0, index.shape()[i]);
  }
  detail::check_indices("gather", index, x.shape()[a]);
  return apply_linear(Gather<M>{from.shape(), index.shape(), a, index}, from);
}

/// Zeros with x(o, j, i) added at (o, index(o, j, i), i): the adjoint of gather.  x, index (…, k, …) → (…, n, …)
template <Value V, class M>
V scatter_add(const V& x, int axis, const Positions<M>& index, std::int64_t n) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.shape() == x.shape(), "scatter_add: x is ", x.shape(), ", the index ", index.shape(), "; want the same");
  detail::check_indices("scatter_add", index, n);
  return dispatch(AdjointMap<Gather<M>>{{x.shape().with(a, n), x.shape(), a, index}}, Values<V, 1>{x})[0];
}

/// The elements at positions of x in row-major order; shaped like the index.
template <Value V, class M>
V take(const V& x, const Positions<M>& index) {
  const Positions<M> flat = index.reshaped(Shape{index.size()});
  return reshape(gather(flatten(x), 0, flat), index.shape());
}

/// Zeros of a shape with the elements of x added at positions in row-major order: the adjoint of take.
template <Value V, class M>
V put_add(const V& x, const Positions<M>& index, const Shape& shape) {
  const Positions<M> flat = index.reshaped(Shape{index.size()});
  return reshape(scatter_add(flatten(x), 0, flat, shape.numel()), shape);
}

}  // namespace tenzo

#include "tenzo/ops/extern.hpp"
