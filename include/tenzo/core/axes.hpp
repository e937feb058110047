// Axes: which axes of a tensor an operation is about.
#pragma once

#include <array>
#include <initializer_list>
#include <ostream>
#include <span>

#include "tenzo/core/shape.hpp"

namespace tenzo {

/// A few axes of a tensor, in order; negative ones count from the end. One number is one axis.
class Axes {
 public:
  Axes() = default;
  Axes(int axis) { push_back(axis); }
  Axes(std::initializer_list<int> axes) : Axes(std::span(axes.begin(), axes.size())) {}
  explicit Axes(std::span<const int> axes) {
    for (const int a : axes) push_back(a);
  }

  /// All axes of a shape.
  static Axes all(const Shape& shape) {
    Axes axes;
    for (int i = 0; i < shape.rank(); ++i) axes.push_back(i);
    return axes;
  }

  int count() const { return count_; }
  int operator[](int i) const { return axes_[i]; }
  const int* begin() const { return axes_.data(); }
  const int* end() const { return axes_.data() + count_; }
  bool contains(int axis) const {
    for (const int a : *this)
      if (a == axis) return true;
    return false;
  }
  void push_back(int axis) {
    expect(count_ < Shape::max_rank, "axes: at most ", Shape::max_rank);
    axes_[count_++] = axis;
  }

  /// The same axes counted from the front. Throws ShapeError where one is outside the rank or stands twice.
  Axes normalized(const Shape& shape) const {
    Axes axes;
    for (const int a : *this) {
      const int n = shape.normalized_axis(a);
      expect(!axes.contains(n), "axes: ", n, " stands twice in ", *this);
      axes.push_back(n);
    }
    return axes;
  }

  friend std::ostream& operator<<(std::ostream& os, const Axes& axes) {
    os << '(';
    for (int i = 0; i < axes.count_; ++i) os << (i ? ", " : "") << axes.axes_[i];
    return os << ')';
  }

 private:
  std::array<int, Shape::max_rank> axes_{};
  int count_ = 0;
};

}  // namespace tenzo
