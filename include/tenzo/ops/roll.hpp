// Shifting elements along an axis, those that leave at one end coming in at the other.
#pragma once

#include <string_view>

#include "tenzo/ops/cpu/strided.hpp"
#include "tenzo/ops/linear_map.hpp"

namespace tenzo {

/// y(o, (j + shift) mod n, i) = x(o, j, i) along an axis; its adjoint shifts back.
struct Roll {
  static constexpr std::string_view name = "roll";
  Shape in, out;
  int axis = 0;
  std::int64_t shift = 0;  // in [0, n)

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    move(device, x, y, shift);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    move(device, gy, gx, in[axis] - shift);
  }

 private:
  template <class D, class T>
  void move(D device, const T* x, T* y, std::int64_t by) const {
    const std::int64_t n = in[axis], inner = in.inner(axis);
    const Strides walk{n * inner, 1};
    const auto lines = [&](std::int64_t count, std::int64_t from, std::int64_t to) {
      copy_strided(device, Shape{in.outer(axis), count * inner}, x + from * inner, walk, y + to * inner, walk);
    };
    lines(n - by, 0, by);
    lines(by, n - by, 0);
  }
};

/// Elements moved `shift` places along the axis, around its end; a negative shift moves towards the beginning.
template <Value V>
V roll(const V& x, int axis, std::int64_t shift) {
  const int a = x.shape().normalized_axis(axis);
  const std::int64_t n = x.shape()[a], s = n == 0 ? 0 : (shift % n + n) % n;
  return s == 0 ? x : apply_linear(Roll{x.shape(), x.shape(), a, s}, x);
}

}  // namespace tenzo
