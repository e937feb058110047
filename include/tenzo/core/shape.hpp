// Shapes: how many elements along each axis, and how two shapes broadcast.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <span>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// Extents of a dense row-major tensor, outermost axis first; rank 0 is a single number.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) : rank_(int(dims.size())) {
    expect(dims.size() <= std::size_t(max_rank), "shape: ", dims.size(), " axes; at most ", max_rank);
    for (int i = 0; i < rank_; ++i) {
      dims_[i] = dims[i];
      expect(dims[i] >= 0, "shape: axis ", i, " has negative size ", dims[i]);
    }
    numel();  // throws where the product overflows
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[axis]; }
  /// Size of an axis; negative axes count from the end. Throws ShapeError outside the rank.
  std::int64_t dim(int axis) const { return dims_[normalized_axis(axis)]; }
  std::span<const std::int64_t> dims() const { return {dims_.data(), std::size_t(rank_)}; }
  const std::int64_t* begin() const { return dims_.data(); }
  const std::int64_t* end() const { return dims_.data() + rank_; }

  /// Product of all extents.
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (const std::int64_t d : *this)
      if (__builtin_mul_overflow(n, d, &n)) throw ShapeError("shape: more elements than 64 bits count");
    return n;
  }

  /// Axis in [0, rank); negative ones count from the end.
  int normalized_axis(int axis) const {
    const int a = axis < 0 ? axis + rank_ : axis;
    expect(a >= 0 && a < rank_, "axis ", axis, " of a tensor of rank ", rank_);
    return a;
  }

  /// Product of the extents before and after an axis: a tensor is (outer, n, inner) around it.
  std::int64_t outer(int axis) const { return product(0, axis); }
  std::int64_t inner(int axis) const { return product(axis + 1, rank_); }

  Shape with(int axis, std::int64_t n) const {
    expect(n >= 0, "shape: axis ", axis, " has negative size ", n);
    Shape s = *this;
    s.dims_[normalized_axis(axis)] = n;
    return s;
  }
  Shape without(int axis) const {
    const int a = normalized_axis(axis);
    Shape s;
    for (int i = 0; i < rank_; ++i)
      if (i != a) s.dims_[s.rank_++] = dims_[i];
    return s;
  }
  Shape inserted(int axis, std::int64_t n) const {
    Shape s;
    for (int i = 0; i < rank_; ++i) {
      if (i == axis) s.push_back(n);
      s.push_back(dims_[i]);
    }
    if (axis == rank_) s.push_back(n);
    return s;
  }
  void push_back(std::int64_t n) {
    expect(rank_ < max_rank, "shape: at most ", max_rank, " axes");
    expect(n >= 0, "shape: axis ", rank_, " has negative size ", n);
    dims_[rank_++] = n;
  }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.dims_[i] != b.dims_[i]) return false;
    return true;
  }

  friend std::ostream& operator<<(std::ostream& os, const Shape& s) {
    os << '(';
    for (int i = 0; i < s.rank_; ++i) os << (i ? ", " : "") << s.dims_[i];
    return os << ')';
  }

 private:
  std::int64_t product(int from, int to) const {
    std::int64_t n = 1;
    for (int i = from; i < to; ++i) n *= dims_[i];
    return n;
  }

  std::array<std::int64_t, max_rank> dims_{};
  int rank_ = 0;
};

/// Row-major strides in elements.
inline std::array<std::int64_t, Shape::max_rank> strides_of(const Shape& s) {
  std::array<std::int64_t, Shape::max_rank> strides{};
  std::int64_t n = 1;
  for (int i = s.rank() - 1; i >= 0; --i) {
    strides[i] = n;
    n *= s[i];
  }
  return strides;
}

/// The common shape of two operands: axes are aligned at the end, and an axis of one element stretches.
inline Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dims{};
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const std::int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    expect(da == db || da == 1 || db == 1, "shapes ", a, " and ", b, " do not broadcast");
    dims[i] = da == 1 ? db : da;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), std::size_t(rank)));
}

}  // namespace tenzo
