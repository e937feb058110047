// Images to another size, plane by plane, on raw memory: nearest neighbour and bilinear, each with its adjoint.
#pragma once

#include <cmath>
#include <cstdint>

#include "planes.hpp"
#include "reduce.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/cuda/resample.hpp"

namespace tenzo::cuda {

namespace detail {

/// Where the outputs along an axis come from: output i from coordinate (a i + b) / d, or 0 where that is negative. In
/// integers, so that it is the same for all element types and can be inverted; the weight is rounded once.
struct Samples {
  std::int64_t a, b;
  int d, in, out, a_low, a_rest;  // a = a_low d + a_rest

  Samples(std::int64_t in_, std::int64_t out_, Interpolation how) : in(axis_length(in_)), out(axis_length(out_)) {
    switch (how) {
      case Interpolation::nearest: a = in, b = 0, d = out; break;
      case Interpolation::bilinear: a = 2 * in, b = in - out, d = 2 * out; break;
      case Interpolation::bilinear_aligned: a = out > 1 ? in - 1 : 0, b = 0, d = out > 1 ? out - 1 : 1; break;
    }
    a_low = int(a / d), a_rest = int(a % d);
  }

  /// The element below a coordinate, and what the coordinate has beyond it; that is negative below the first element.
  struct Sample {
    int low, rest;
  };
  TENZO_DEVICE Sample sample(int i) const {
    const std::int64_t at = a * i + b, low = at > 0 ? at / d : 0;
    return {int(low), int(at - low * d)};
  }
  /// That of the next output. Coordinates are negative only where they grow by less than an element.
  TENZO_DEVICE Sample next(Sample s) const {
    s.low += a_low, s.rest += a_rest;
    if (s.rest >= d) ++s.low, s.rest -= d;
    return s;
  }
  /// The element above, and its weight.
  TENZO_DEVICE int above(int low) const { return low + 1 < in ? low + 1 : low; }
  template <class T>
  TENZO_DEVICE T weight(const Sample& s) const {
    return s.rest > 0 ? T(s.rest) / T(d) : T(0);
  }

  /// The first output whose lower element is `low` or higher.
  TENZO_DEVICE int first_from(int low) const {
    if (low <= 0) return 0;
    if (a == 0 || low >= in) return out;
    const std::int64_t need = std::int64_t(low) * d - b;  // a i must reach it
    return need > 0 ? int((need + a - 1) / a) : 0;
  }
};

/// y from x: rows are blended first, then columns.
///   Mapping  a thread an element of y. Bound by memory: x is read once from memory and y written once.
template <class T, bool nearest>
struct ResampleKernel {
  static constexpr int max_threads = 256;
  std::int64_t total;
  Extent2 in, out;
  Samples rows, columns;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, out);
    const auto r = rows.sample(e.row), c = columns.sample(e.column);
    const T* const from = x + e.plane * in.plane();
    if constexpr (nearest) {
      store(y + i, load(from + in.offset(r.low, c.low)));
    } else {
      const T *const low = from + in.offset(r.low, 0), *const high = from + in.offset(rows.above(r.low), 0);
      const int right = columns.above(c.low);
      const T v = rows.template weight<T>(r), u = T(1) - v, w = columns.template weight<T>(c);
      const T first = std::fma(v, load(high + c.low), u * load(low + c.low));
      const T second = std::fma(v, load(high + right), u * load(low + right));
      store(y + i, std::fma(w, second, (T(1) - w) * first));
    }
  }
};

/// The adjoint: dx from the outputs that read it, in the order in which the CPU adds them.
///   Mapping  a thread an element of dx, which goes through the few outputs around it.
///   Bound by memory where images shrink: dy is read once from memory and dx written once; else by arithmetic.
template <class T, bool nearest>
struct ResampleAdjointKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_at_once<T>;
  std::int64_t total;
  Extent2 in, out;
  Samples rows, columns;
  const T* dy;
  T* dx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    const PlaneElement e(i, in);
    constexpr int reach = nearest ? 0 : 1;  // an output also reads the element above its lower one
    const int k0 = rows.first_from(e.row - reach), k1 = rows.first_from(e.row + 1);
    const int l0 = columns.first_from(e.column - reach), l1 = columns.first_from(e.column + 1);
    const T* const from = dy + e.plane * out.plane();
    T sum = T(0);
    if constexpr (nearest) {
      for (int k = k0; k < k1; ++k)
        for (int l = l0; l < l1; ++l) sum += load(from + out.offset(k, l));
    } else {
      auto row = rows.sample(k0);
      const auto first = columns.sample(l0);
      for (int k = k0; k < k1; ++k, row = rows.next(row)) {
        auto column = first;
        T gathered = T(0);
        for (int l = l0; l < l1; ++l, column = columns.next(column))
          gathered = add(columns, column, e.column, load(from + out.offset(k, l)), gathered);
        sum = add(rows, row, e.row, gathered, sum);
      }
    }
    store(dx + i, sum);
  }

 private:
  /// sum + g times the weight of element `at` in an output.
  TENZO_DEVICE static T add(const Samples& axis, const Samples::Sample& s, int at, T g, T sum) {
    const T w = axis.template weight<T>(s);
    if (s.low == at) sum = std::fma(T(1) - w, g, sum);
    if (axis.above(s.low) == at) sum = std::fma(w, g, sum);
    return sum;
  }
};

}  // namespace detail

template <Real T>
void resample2d(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* x, T* y) {
  expect(in.h > 0 && in.w > 0 && out.h > 0 && out.w > 0, "resample2d: from (", in.h, ", ", in.w, ") to (", out.h, ", ",
         out.w, "); want sizes of at least 1");
  const std::int64_t total = planes * out.h * out.w;
  if (total == 0) return;
  using namespace detail;
  const Samples rows(in.h, out.h, how), columns(in.w, out.w, how);
  if (how == Interpolation::nearest)
    launch(ResampleKernel<T, true>{total, Extent2(in), Extent2(out), rows, columns, x, y}, blocks_for(total, 256), 256);
  else
    launch(ResampleKernel<T, false>{total, Extent2(in), Extent2(out), rows, columns, x, y}, blocks_for(total, 256),
           256);
}

template <Real T>
void resample2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* dy, T* dx) {
  const std::int64_t total = planes * in.h * in.w;
  if (total == 0) return;
  using namespace detail;
  const Samples rows(in.h, out.h, how), columns(in.w, out.w, how);
  if (how == Interpolation::nearest)
    launch(ResampleAdjointKernel<T, true>{total, Extent2(in), Extent2(out), rows, columns, dy, dx},
           blocks_for(total, 256), 256);
  else
    launch(ResampleAdjointKernel<T, false>{total, Extent2(in), Extent2(out), rows, columns, dy, dx},
           blocks_for(total, 256), 256);
}

}  // namespace tenzo::cuda
