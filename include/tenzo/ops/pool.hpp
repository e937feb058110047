// 2-D pooling: the largest or the mean of each window.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "tenzo/ops/cpu/pool.hpp"
#include "tenzo/ops/linear_map.hpp"

namespace tenzo {

namespace detail {

inline Size2 image_size(std::string_view op, const Shape& x) {
  expect(x.rank() >= 2, op, ": x is ", x, "; want (..., h, w)");
  return {x.dim(-2), x.dim(-1)};
}
inline Shape resized(const Shape& x, Size2 out) { return x.with(-2, out.h).with(-1, out.w); }
inline std::int64_t plane_count(const Shape& x) { return x.outer(x.rank() - 2); }

}  // namespace detail

/// y(p, i) = x(p, index(p, i)) within planes; the index is data. Its adjoint adds.
template <class M>
struct TakeInPlanes {
  static constexpr std::string_view name = "max_pool2d";
  Shape in, out;
  Tensor<std::int32_t, M> index;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    take_in_planes(device, detail::plane_count(in), in.inner(in.rank() - 3), out.inner(out.rank() - 3),
                   index.template on<D>().data(), x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    put_in_planes(device, detail::plane_count(in), in.inner(in.rank() - 3), out.inner(out.rank() - 3),
                  index.template on<D>().data(), gy, gx);
  }
};

/// The largest of each window.  x (..., h, w) → (..., h', w'). The derivative goes to the first one among equals.
template <Value V>
V max_pool2d(const V& x, const PoolSettings& settings) {
  const Size2 size = detail::image_size("max_pool2d", x.shape());
  const PoolGeometry g = pool_geometry("max_pool2d", detail::plane_count(x.shape()), size, settings);
  expect(g.in_plane() <= std::numeric_limits<std::int32_t>::max(), "max_pool2d: x is ", x.shape(),
         "; a plane has too many elements");
  const Shape out = detail::resized(x.shape(), g.out_size);
  using D = device_t<V>;
  plain_t<V> y(out);
  if constexpr (Plain<V> && HostDevice<D>) {
    max_pool2d_values(D{}, g, plain(x).data(), y.data());
    return y;
  }
  Tensor<std::int32_t, D> index(out);
  max_pool2d(D{}, g, plain(x).data(), y.data(), index.data());
  if constexpr (Plain<V>) return y;
  else return apply_linear(TakeInPlanes<D>{x.shape(), out, index}, x);
}

/// The mean of each window.
struct MeanPool {
  static constexpr std::string_view name = "avg_pool2d";
  Shape in, out;
  PoolGeometry g;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    mean_pool2d(device, g, x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    mean_pool2d_adjoint(device, g, gy, gx);
  }
};

/// The mean of each window.  x (..., h, w) → (..., h', w')
template <Value V>
V avg_pool2d(const V& x, const PoolSettings& settings) {
  require(settings.dilation == Size2{1, 1}, "avg_pool2d: windows have no dilation");
  const Size2 size = detail::image_size("avg_pool2d", x.shape());
  const PoolGeometry g = pool_geometry("avg_pool2d", detail::plane_count(x.shape()), size, settings);
  return apply_linear(MeanPool{x.shape(), detail::resized(x.shape(), g.out_size), g}, x);
}

/// The mean of ranges that cover the image.
struct AdaptiveMeanPool {
  static constexpr std::string_view name = "adaptive_avg_pool2d";
  Shape in, out;

  template <class D, class T>
  void apply(D device, const T* x, T* y) const {
    adaptive_mean_pool2d(device, detail::plane_count(in), detail::image_size(name, in), detail::image_size(name, out),
                         x, y);
  }
  template <class D, class T>
  void adjoint(D device, const T* gy, T* gx) const {
    adaptive_mean_pool2d_adjoint(device, detail::plane_count(in), detail::image_size(name, in),
                                 detail::image_size(name, out), gy, gx);
  }
};

/// An image of the given size: output i is the mean over [floor(i n / out), ceil((i + 1) n / out)) along each axis.
///   x (..., h, w) → (..., out.h, out.w)
template <Value V>
V adaptive_avg_pool2d(const V& x, Size2 out) {
  const Size2 size = detail::image_size("adaptive_avg_pool2d", x.shape());
  expect(size.h > 0 && size.w > 0, "adaptive_avg_pool2d: x is ", x.shape(), "; want pixels");
  require(out.h > 0 && out.w > 0, "adaptive_avg_pool2d: output (", out.h, ", ", out.w, "); want at least 1");
  return apply_linear(AdaptiveMeanPool{x.shape(), detail::resized(x.shape(), out)}, x);
}

}  // namespace tenzo
