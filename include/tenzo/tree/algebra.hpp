// Vector-space operations on trees: what a solver needs of a model or a gradient. Sums run in a fixed order.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/ops/reduce.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo {

namespace detail {

/// Σ a b in double: runs of 4096 elements by sixteen partial sums, the runs' sums one after another.
template <class T>
double dot_all(std::int64_t n, const T* a, const T* b) {
  constexpr std::int64_t run = 4096, lanes = 16;
  std::vector<double> sums(std::size_t((n + run - 1) / run));
  parallel_for(n, run, [&](std::int64_t begin, std::int64_t end) {
    T part[lanes] = {};
    std::int64_t i = begin;
    for (; i + lanes <= end; i += lanes) {
#pragma omp simd
      for (std::int64_t l = 0; l < lanes; ++l) part[l] += a[i + l] * b[i + l];
    }
    for (std::int64_t l = 0; i < end; ++i, ++l) part[l] += a[i] * b[i];
    for (std::int64_t half = lanes / 2; half; half /= 2)
      for (std::int64_t l = 0; l < half; ++l) part[l] += part[l + half];
    sums[std::size_t(begin / run)] = double(part[0]);
  });
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace detail

/// Σ a b over all leaves, of rank 0; undefined leaves are zero. Where a leaf is recorded, so is the result.
template <Tree A, Tree B>
auto dot(const A& a, const B& b) {
  using V = promote_t<leaf_t<A>, leaf_t<B>>;
  if constexpr (Plain<V>) {
    double total = 0;
    for_each_leaf(
        [&](const Path& at, const auto& x, const auto& y) {
          if (!x.defined() || !y.defined()) return;
          expect(x.shape() == y.shape(), "dot: ", at.str(), " is ", x.shape(), " and ", y.shape());
          total += detail::dot_all(x.size(), x.data(), y.data());
        },
        a, b);
    return V::scalar(scalar_t<V>(total));
  } else {
    V total;
    for_each_leaf(
        [&](const Path& at, const auto& x, const auto& y) {
          if (!x.defined() || !y.defined()) return;
          expect(x.shape() == y.shape(), "dot: ", at.str(), " is ", x.shape(), " and ", y.shape());
          total = plus(total, lift<V>(sum(mul(x, y))));
        },
        a, b);
    return total.defined() ? total : lift<V>(plain_t<V>::scalar(0));
  }
}

/// Euclidean norm of all leaves together.
template <Tree A>
double norm(const A& a) {
  double total = 0;
  for_each_leaf(
      [&](const Path&, const auto& x) {
        if (x.defined()) total += detail::dot_all(x.size(), x.data(), x.data());
      },
      a);
  return std::sqrt(total);
}

/// y += s · x in place; undefined leaves of x are zero.
template <Tree X, Tree Y>
void axpy_(double s, const X& x, Y& y) {
  for_each_leaf(
      [s](const Path& at, auto& to, const auto& from) {
        if (!from.defined()) return;
        expect(to.shape() == from.shape(), "axpy_: ", at.str(), " is ", to.shape(), " and ", from.shape());
        using T = typename std::remove_reference_t<decltype(to)>::value_type;
        T* p = to.data();
        cpu::map(
            to.size(), p, [k = T(s)](T a, T b) { return a + k * b; }, std::as_const(to).data(), from.data());
      },
      y, x);
}

/// x *= s in place.
template <Tree X>
void scale_(X& x, double s) {
  for_each_leaf(
      [s](const Path&, auto& v) {
        if (!v.defined()) return;
        using T = typename std::remove_reference_t<decltype(v)>::value_type;
        T* p = v.data();
        cpu::map(
            v.size(), p, [k = T(s)](T a) { return k * a; }, std::as_const(v).data());
      },
      x);
}

/// A tree of zeros shaped like x; undefined leaves stay undefined.
template <Tree X>
X zeros_like(const X& x) {
  using V = leaf_t<X>;
  return map_tree<V>(x, [](const V& v) { return lift<V>(plain_t<V>::zeros(v.shape())); });
}

/// x with leaves of their own memory.
template <Tree X>
X clone(const X& x) {
  return map_tree<leaf_t<X>>(x, [](const auto& v) { return v.clone(); });
}

}  // namespace tenzo
