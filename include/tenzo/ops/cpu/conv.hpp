// 2-D convolution on raw memory: forward, gradient by the input, gradient by the weights, gradient by the bias.
//
//   y[n, o, i, j] = b[o] + Σ_{c, k, l} w[o, c, k, l] x[n, c, i s - p + k d, j s - p + l d],   zeros outside x
//
// x (batch, in, h, w), w (out, in / groups, kh, kw), y (batch, out, oh, ow), all dense and row-major. The first three
// are bilinear and closed under differentiation: each derivative of one of them is one of them. Results depend neither
// on the number of threads nor on the instruction set.
#pragma once

#include <cstdint>

#include "tenzo/core/device.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/core/simd.hpp"
#include "tenzo/ops/cpu/conv_sum.hpp"
#include "tenzo/ops/cpu/conv_weight.hpp"
#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo::cpu {

/// A 1 x 1 convolution sees a plane as one long row, which fills vectors and tiles better than many short ones.
inline ConvGeometry unrolled(ConvGeometry g) {
  if (g.kernel == Size2{1, 1} && g.stride == Size2{1, 1} && g.padding == Size2{0, 0} && g.in_plane() <= 4096)
    g.in_size = g.out_size = {1, g.in_plane()};
  return g;
}

/// y = conv(x, w) + bias (one number a channel, or null). The bias is added last, as a separate addition would.
///   Error of an output: at most k eps Σ |w x| for its k = kh kw in / groups terms.
template <Real T>
void conv2d(Device, const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  TapSum<T>(detail::forward_plan(unrolled(g)), weight).run(x, bias, y);
}

/// dx: the adjoint of conv2d in x applied to dy, + bias[c] where it is not null. This is conv_transpose2d's forward.
template <Real T>
void conv2d_input_gradient(Device, const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  TapSum<T>(detail::adjoint_plan(unrolled(g)), weight).run(dy, bias, dx);
}

/// dw: the adjoint of conv2d in the weights applied to dy.
template <Real T>
void conv2d_weight_gradient(Device, const ConvGeometry& g, const T* x, const T* dy, T* dw) {
  WeightGradient<T>(unrolled(g)).run(x, dy, dw);
}

/// db[o] = Σ_{n, pixel} dy[n, o, pixel]: lanes along the plane, then images in order.
template <Real T>
void conv2d_bias_gradient(Device, const ConvGeometry& g, const T* dy, T* db) {
  using V = Simd<T>;
  const std::int64_t plane = g.out_plane();
  parallel_for(g.out, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      T total(0);
      for (std::int64_t n = 0; n < g.batch; ++n) {
        const T* from = dy + (n * g.out + o) * plane;
        V s(T(0));
        std::int64_t i = 0;
        for (; i + V::size <= plane; i += V::size) s = s + V::load(from + i);
        if (i < plane) s = s + V::load(from + i, plane - i);
        total = total + sum(s);
      }
      db[o] = total;
    }
  });
}

}  // namespace tenzo::cpu
