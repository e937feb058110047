// Reading elements by their positions, and the adjoint: adding to them. Positions are data, not values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/linear_map.hpp"
#include "tenzo/ops/shape_ops.hpp"

namespace tenzo {

/// Positions along an axis.
using Indices = Tensor<std::int64_t>;

namespace detail {

inline void check_indices(std::string_view op, const Indices& index, std::int64_t extent) {
  for (std::int64_t i = 0; i < index.size(); ++i)
    require(0 <= index(i) && index(i) < extent, op, ": index ", index(i), " at position ", i, " is not in [0, ", extent,
            ")");
}

/// Columns that one piece of an adding loop handles: all rows of the index pass by in their order, so the sum's order
/// is fixed, and pieces never meet.
inline constexpr std::int64_t column_block = 64;

/// f(o, c0, c1) for all blocks of columns of all outer indices.
template <class F>
void for_column_blocks(std::int64_t outer, std::int64_t rows, std::int64_t columns, F&& f) {
  const std::int64_t blocks = (columns + column_block - 1) / column_block;
  const std::int64_t work = std::max<std::int64_t>(1, rows * std::min(columns, column_block));
  parallel_for(outer * blocks, cpu::element_grain / work, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t c0 = i % blocks * column_block;
      f(i / blocks, c0, std::min(columns, c0 + column_block));
    }
  });
}

}  // namespace detail

/// y(o, j, i) = x(o, index[j], i) around one axis. Its adjoint adds the rows j to row index[j].
struct IndexSelect {
  static constexpr std::string_view name = "index_select";
  Shape in, out;
  int axis = 0;
  Indices index;

  template <class T>
  void apply(const T* x, T* y) const {
    const std::int64_t n = in[axis], k = index.size(), inner = in.inner(axis), rows = in.outer(axis) * k;
    parallel_for(rows, std::max<std::int64_t>(1, cpu::element_grain / std::max<std::int64_t>(1, inner)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r)
                     std::copy_n(x + (r / k * n + index(r % k)) * inner, inner, y + r * inner);
                 });
  }
  template <class T>
  void adjoint(const T* gy, T* gx) const {
    const std::int64_t n = in[axis], k = index.size(), inner = in.inner(axis);
    cpu::fill(in.numel(), gx, T(0));
    detail::for_column_blocks(in.outer(axis), k, inner, [&](std::int64_t o, std::int64_t c0, std::int64_t c1) {
      for (std::int64_t j = 0; j < k; ++j) {
        const T* from = gy + (o * k + j) * inner;
        T* to = gx + (o * n + index(j)) * inner;
#pragma omp simd
        for (std::int64_t c = c0; c < c1; ++c) to[c] += from[c];
      }
    });
  }
};

/// y(o, j, i) = x(o, index(o, j, i), i) around one axis. Its adjoint adds.
struct Gather {
  static constexpr std::string_view name = "gather";
  Shape in, out;
  int axis = 0;
  Indices index;

  template <class T>
  void apply(const T* x, T* y) const {
    const std::int64_t n = in[axis], k = out[axis], inner = in.inner(axis);
    parallel_for(in.outer(axis) * k, std::max<std::int64_t>(1, cpu::element_grain / std::max<std::int64_t>(1, inner)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t r = begin; r < end; ++r)
                     for (std::int64_t c = 0; c < inner; ++c)
                       y[r * inner + c] = x[(r / k * n + index(r * inner + c)) * inner + c];
                 });
  }
  template <class T>
  void adjoint(const T* gy, T* gx) const {
    const std::int64_t n = in[axis], k = out[axis], inner = in.inner(axis);
    cpu::fill(in.numel(), gx, T(0));
    detail::for_column_blocks(in.outer(axis), k, inner, [&](std::int64_t o, std::int64_t c0, std::int64_t c1) {
      for (std::int64_t r = o * k; r < (o + 1) * k; ++r)
        for (std::int64_t c = c0; c < c1; ++c) gx[(o * n + index(r * inner + c)) * inner + c] += gy[r * inner + c];
    });
  }
};

/// The rows index[0], index[1], … of an axis.  x (…, n, …), index (k) → (…, k, …).
///   Throws ValueError for an index outside [0, n).
template <Value V>
V index_select(const V& x, int axis, const Indices& index) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.rank() == 1, "index_select: the index is ", index.shape(), "; want one axis");
  detail::check_indices("index_select", index, x.shape()[a]);
  return apply_linear(IndexSelect{x.shape(), x.shape().with(a, index.size()), a, index}, x);
}

/// Zeros of n rows with the rows of x added at index[0], index[1], …: the adjoint of index_select.
///   x (…, k, …), index (k) → (…, n, …)
template <Value V>
V index_add(const V& x, int axis, const Indices& index, std::int64_t n) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.rank() == 1 && index.size() == x.shape()[a], "index_add: x is ", x.shape(), ", the index ",
         index.shape(), "; want one index a row of axis ", a);
  detail::check_indices("index_add", index, n);
  return dispatch(AdjointMap<IndexSelect>{{x.shape().with(a, n), x.shape(), a, index}}, Values<V, 1>{x})[0];
}

/// Rows of a table.  table (n, …), index of any shape → (index's shape, …).
template <Value V>
V embedding(const V& table, const Indices& index) {
  expect(table.shape().rank() > 0, "embedding: the table is ", table.shape(), "; want rows");
  Shape out = index.shape();
  for (int i = 1; i < table.shape().rank(); ++i) out.push_back(table.shape()[i]);
  detail::check_indices("embedding", index, table.shape()[0]);
  const Indices flat = index.reshaped(Shape{index.size()});
  return reshape(apply_linear(IndexSelect{table.shape(), table.shape().with(0, flat.size()), 0, flat}, table), out);
}

/// y(o, j, i) = x(o, index(o, j, i), i).  x (…, n, …), index (…, k, …) of at most x's extents beside the axis.
template <Value V>
V gather(const V& x, int axis, const Indices& index) {
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
  return apply_linear(Gather{from.shape(), index.shape(), a, index}, from);
}

/// Zeros with x(o, j, i) added at (o, index(o, j, i), i): the adjoint of gather.  x, index (…, k, …) → (…, n, …)
template <Value V>
V scatter_add(const V& x, int axis, const Indices& index, std::int64_t n) {
  const int a = x.shape().normalized_axis(axis);
  expect(index.shape() == x.shape(), "scatter_add: x is ", x.shape(), ", the index ", index.shape(), "; want the same");
  detail::check_indices("scatter_add", index, n);
  return dispatch(AdjointMap<Gather>{{x.shape().with(a, n), x.shape(), a, index}}, Values<V, 1>{x})[0];
}

/// The elements at positions of x in row-major order; shaped like the index.
template <Value V>
V take(const V& x, const Indices& index) {
  const Indices flat = index.reshaped(Shape{index.size()});
  return reshape(gather(flatten(x), 0, flat), index.shape());
}

/// Zeros of a shape with the elements of x added at positions in row-major order: the adjoint of take.
template <Value V>
V put_add(const V& x, const Indices& index, const Shape& shape) {
  const Indices flat = index.reshaped(Shape{index.size()});
  return reshape(scatter_add(flatten(x), 0, flat, shape.numel()), shape);
}

}  // namespace tenzo
