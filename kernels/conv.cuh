// 2-D convolution and its gradients: by cuDNN, by products of matrices, or directly.
#pragma once

#include "conv_direct.cuh"
#include "dnn.hpp"
#include "matmul.cuh"
#include "tenzo/cuda/conv.hpp"

namespace tenzo::cuda {

namespace detail {

enum class ConvMethod { direct, product, library };

/// How a pass is computed, by its sizes alone.
///   direct   few channels a group (depthwise among them), where the library is slow; little work, where only the
///            launch costs; sizes that the library can not count
///   product  1 x 1 without stride: planes are matrices. Not the weights' gradient of a batch, which would be a sum of
///            products.
inline ConvMethod conv_method(const ConvGeometry& g, ConvPass pass) {
  constexpr std::int64_t few_channels = 4, little_work = 1 << 16;
  const bool one_by_one = g.kernel == Size2{1, 1} && g.stride == Size2{1, 1} && g.padding == Size2{0, 0};
  if (g.group_in() == 0) return ConvMethod::direct;
  if (g.group_in() == 1 || (g.groups > 1 && g.group_in() <= few_channels)) return ConvMethod::direct;
  if (g.multiplications() <= little_work) return ConvMethod::direct;
  if (one_by_one && g.groups == 1 && (pass != ConvPass::weight_gradient || g.batch == 1)) return ConvMethod::product;
  return dnn_can_count(g) ? ConvMethod::library : ConvMethod::direct;
}

/// to = pass(a, b) + bias by the library; false where it has no algorithm that will do.
template <ConvPass pass, class T>
bool library_conv(const ConvGeometry& g, const T* a, const T* b, const T* bias, std::int64_t channels,
                  std::int64_t plane, T* to) {
  if (bias) spread(g.batch, channels, plane, bias, to);
  return library_handle<Dnn>().run<pass>(g, a, b, to, bias != nullptr);
}

}  // namespace detail

template <Real T>
void conv2d(Device, const ConvGeometry& g, const T* x, const T* weight, const T* bias, T* y) {
  using namespace detail;
  if (g.batch * g.out * g.out_plane() == 0) return;
  const ConvMethod method = conv_method(g, ConvPass::forward);
  if (method == ConvMethod::product) {
    const std::int64_t plane = g.in_plane();
    if (bias) spread(g.batch, g.out, plane, bias, y);
    gemm<T>(g.batch, g.out, plane, g.in, {weight}, {x, g.in * plane}, {y, g.out * plane}, bias != nullptr);
  } else if (method == ConvMethod::direct ||
             !library_conv<ConvPass::forward>(g, x, weight, bias, g.out, g.out_plane(), y)) {
    direct_forward(g, x, weight, bias, y);
  }
}

template <Real T>
void conv2d_input_gradient(Device, const ConvGeometry& g, const T* dy, const T* weight, const T* bias, T* dx) {
  using namespace detail;
  if (g.batch * g.in * g.in_plane() == 0) return;
  const ConvMethod method = conv_method(g, ConvPass::input_gradient);
  if (method == ConvMethod::product) {
    const std::int64_t plane = g.in_plane();
    if (bias) spread(g.batch, g.in, plane, bias, dx);
    gemm<T>(g.batch, g.in, plane, g.out, {weight, 0, true}, {dy, g.out * plane}, {dx, g.in * plane}, bias != nullptr);
  } else if (method == ConvMethod::direct ||
             !library_conv<ConvPass::input_gradient>(g, weight, dy, bias, g.in, g.in_plane(), dx)) {
    direct_input_gradient(g, dy, weight, bias, dx);
  }
}

template <Real T>
void conv2d_weight_gradient(Device, const ConvGeometry& g, const T* x, const T* dy, T* dw) {
  using namespace detail;
  if (g.out * g.group_in() * g.taps() == 0) return;
  const ConvMethod method = conv_method(g, ConvPass::weight_gradient);
  if (method == ConvMethod::product) {
    gemm<T>(1, g.out, g.in, g.in_plane(), {dy}, {x, 0, true}, {dw});
  } else if (method == ConvMethod::direct ||
             !library_conv<ConvPass::weight_gradient>(g, x, dy, static_cast<const T*>(nullptr), 0, 0, dw)) {
    direct_weight_gradient(g, x, dy, dw);
  }
}

template <Real T>
void conv2d_bias_gradient(Device, const ConvGeometry& g, const T* dy, T* db) {
  if (g.out == 0) return;
  const detail::PixelPieces pieces(g.batch * g.out_plane(), g.out);
  detail::in_pieces(pieces, g.out, db, [&](T* part) {
    detail::with_conv_index(g, [&]<class Index>(Index) {
      using K = detail::ConvBiasGradientKernel<T, Index>;
      launch(K{int(g.batch), int(g.out), Index(g.out_plane()), pieces, dy, part}, g.out * pieces.count, K::max_threads);
    });
  });
}

}  // namespace tenzo::cuda
