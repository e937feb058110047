// Images to another size, plane by plane, on raw memory: nearest neighbour and bilinear, each with its adjoint.
//
// Along an axis of `in` elements, output i lies at the source coordinate
//   nearest    floor(i in / out)
//   bilinear   max(0, (i + 1/2) in / out - 1/2), or with aligned corners i (in - 1) / (out - 1)
// and takes the element there, or the two around it weighted by their nearness.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/ops/shapes/resample.hpp"

namespace tenzo::cpu {

/// Where the outputs along one axis come from.
template <Real T>
struct AxisSamples {
  std::vector<std::int64_t> low, high;  // the two elements; equal at the border
  std::vector<T> low_weight, high_weight;

  AxisSamples(std::int64_t in, std::int64_t out, Interpolation how) {
    for (std::int64_t i = 0; i < out; ++i) {
      double at = 0;
      if (how == Interpolation::nearest) at = double(i * in / out);
      else if (how == Interpolation::bilinear_aligned) at = out > 1 ? double(i) * double(in - 1) / double(out - 1) : 0.;
      else at = std::max(0., (double(i) + .5) * double(in) / double(out) - .5);
      const auto l = std::min(std::int64_t(at), in - 1);
      low.push_back(l);
      high.push_back(std::min(l + 1, in - 1));
      high_weight.push_back(T(at - double(l)));
      low_weight.push_back(T(1) - high_weight.back());
    }
  }
};

/// y (planes, out) from x (planes, in). Bilinear: the rows are blended first, then the columns.
template <Real T>
void resample2d(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* x, T* y) {
  expect(in.h > 0 && in.w > 0 && out.h > 0 && out.w > 0, "resample2d: from (", in.h, ", ", in.w, ") to (", out.h, ", ",
         out.w, "); want sizes of at least 1");
  const AxisSamples<T> rows(in.h, out.h, how), cols(in.w, out.w, how);
  const std::int64_t *low = cols.low.data(), *high = cols.high.data();
  const T *low_weight = cols.low_weight.data(), *high_weight = cols.high_weight.data();
  parallel_for(planes * out.h, std::max<std::int64_t>(1, 16384 / out.w), [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> blended(static_cast<std::size_t>(in.w));
    for (std::int64_t at = begin; at < end; ++at) {
      const auto i = std::size_t(at % out.h);
      const T* plane = x + at / out.h * in.h * in.w;
      const T *a = plane + rows.low[i] * in.w, *b = plane + rows.high[i] * in.w;
      T* to = y + at * out.w;
      if (how == Interpolation::nearest) {
        for (std::int64_t j = 0; j < out.w; ++j) to[j] = a[low[j]];
        continue;
      }
      const T u = rows.low_weight[i], v = rows.high_weight[i];
      T* t = blended.data();
      for (std::int64_t j = 0; j < in.w; ++j) t[j] = std::fma(v, b[j], u * a[j]);
      for (std::int64_t j = 0; j < out.w; ++j) to[j] = std::fma(high_weight[j], t[high[j]], low_weight[j] * t[low[j]]);
    }
  });
}

/// The adjoint of resample2d: dx (planes, in) from dy (planes, out).
template <Real T>
void resample2d_adjoint(Device, std::int64_t planes, Size2 in, Size2 out, Interpolation how, const T* dy, T* dx) {
  const AxisSamples<T> rows(in.h, out.h, how), cols(in.w, out.w, how);
  const std::int64_t *low = cols.low.data(), *high = cols.high.data();
  const T *low_weight = cols.low_weight.data(), *high_weight = cols.high_weight.data();
  parallel_for(planes, std::max<std::int64_t>(1, 16384 / (out.h * out.w)), [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> gathered(static_cast<std::size_t>(in.w));
    for (std::int64_t p = begin; p < end; ++p) {
      T* plane = dx + p * in.h * in.w;
      std::fill_n(plane, in.h * in.w, T(0));
      for (std::int64_t i = 0; i < out.h; ++i) {
        const auto k = std::size_t(i);
        const T* from = dy + (p * out.h + i) * out.w;
        T *a = plane + rows.low[k] * in.w, *b = plane + rows.high[k] * in.w;
        if (how == Interpolation::nearest) {
          for (std::int64_t j = 0; j < out.w; ++j) a[low[j]] += from[j];
          continue;
        }
        T* t = gathered.data();
        std::fill_n(t, in.w, T(0));
        for (std::int64_t j = 0; j < out.w; ++j) {
          t[low[j]] = std::fma(low_weight[j], from[j], t[low[j]]);
          t[high[j]] = std::fma(high_weight[j], from[j], t[high[j]]);
        }
        const T u = rows.low_weight[k], v = rows.high_weight[k];
        for (std::int64_t j = 0; j < in.w; ++j) a[j] = std::fma(u, t[j], a[j]);
        for (std::int64_t j = 0; j < in.w; ++j) b[j] = std::fma(v, t[j], b[j]);
      }
    }
  });
}

}  // namespace tenzo::cpu
