#include "conv.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/conv.hpp"

using namespace tenzo;
using namespace tenzo::test;
using cuda::detail::ConvMethod;
using cuda::detail::ConvPass;

namespace {

/// Sums of some hundred terms in other orders, in eps beside the largest.
constexpr double tolerance = 20;

struct Image {
  std::int64_t batch, channels, h, w;
};
struct Kernel {
  std::int64_t out, h, w;
};

ConvGeometry geometry(const Image& x, const Kernel& w, ConvSettings s = {}) {
  return conv_geometry({x.batch, x.channels, x.h, x.w}, {w.out, x.channels / s.groups, w.h, w.w}, s);
}
ConvSettings grouped(std::int64_t groups, ConvSettings s = {}) { return s.groups = groups, s; }

/// All four maps on both devices.
template <class T>
void check_conv(const ConvGeometry& g, bool with_bias, int shift = 0) {
  CAPTURE(g.batch);
  CAPTURE(g.in);
  CAPTURE(g.out);
  CAPTURE(g.groups);
  CAPTURE(g.in_size.h);
  CAPTURE(g.in_size.w);
  CAPTURE(g.kernel.h);
  CAPTURE(g.kernel.w);
  CAPTURE(g.stride.w);
  CAPTURE(g.dilation.w);
  under_schedules([&] {
    const std::int64_t nx = g.batch * g.in * g.in_plane(), ny = g.batch * g.out * g.out_plane();
    const std::int64_t nw = g.out * g.group_in() * g.taps();
    Both<T> x(normals<T>(nx, 1), shift), w(normals<T>(nw, 2), shift), dy(normals<T>(ny, 3), shift);
    Both<T> b_out(normals<T>(g.out, 4)), b_in(normals<T>(g.in, 5));
    Both<T> y(ny, shift), dx(nx, shift), dw(nw, shift), db(g.out);
    const auto of = [](auto& b, auto d) { return static_cast<const T*>(b.at(d)); };
    on_both([&](auto d) {
      conv2d(d, g, of(x, d), of(w, d), with_bias ? of(b_out, d) : nullptr, y.at(d));
      conv2d_input_gradient(d, g, of(dy, d), of(w, d), with_bias ? of(b_in, d) : nullptr, dx.at(d));
      conv2d_weight_gradient(d, g, of(x, d), of(dy, d), dw.at(d));
      conv2d_bias_gradient(d, g, of(dy, d), db.at(d));
    });
    CHECK(y.error() <= tolerance);
    CHECK(dx.error() <= tolerance);
    CHECK(dw.error() <= tolerance);
    CHECK(db.error() <= tolerance);
  });
}

ConvMethod method(const ConvGeometry& g, ConvPass pass = ConvPass::forward) {
  return cuda::detail::conv_method(g, pass);
}

}  // namespace

TEST_CASE("conv: which way by which sizes") {
  CHECK(method(geometry({8, 64, 56, 56}, {64, 3, 3})) == ConvMethod::library);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 3, 3}, grouped(64))) == ConvMethod::direct);
  CHECK(method(geometry({8, 64, 56, 56}, {128, 3, 3}, grouped(64))) == ConvMethod::direct);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 3, 3}, grouped(16))) == ConvMethod::direct);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 3, 3}, grouped(8))) == ConvMethod::library);
  CHECK(method(geometry({64, 1, 28, 28}, {32, 5, 5})) == ConvMethod::direct);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 1, 1})) == ConvMethod::product);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 1, 1}), ConvPass::weight_gradient) == ConvMethod::library);
  CHECK(method(geometry({1, 64, 56, 56}, {64, 1, 1}), ConvPass::weight_gradient) == ConvMethod::product);
  CHECK(method(geometry({8, 64, 56, 56}, {64, 1, 1}, {.stride = {2, 2}})) == ConvMethod::library);
  CHECK(method(geometry({2, 3, 8, 8}, {4, 3, 3})) == ConvMethod::direct);
  CHECK(method(geometry({1 << 15, 64, 56, 56}, {64, 3, 3})) == ConvMethod::direct);  // too large to count
}

TEST_CASE_TEMPLATE("conv: directly, any geometry", T, float, double) {
  const std::vector<ConvSettings> settings = {
      {},
      {.stride = {1, 1}, .padding = {1, 1}},
      {.stride = {2, 3}, .padding = {2, 1}},
      {.stride = {1, 2}, .padding = {3, 0}, .dilation = {2, 1}},
      {.stride = {3, 1}, .padding = {4, 5}, .dilation = {1, 3}},
  };
  for (const ConvSettings& s : settings) {
    if (emulation::thread_sanitizer && s.stride.w == 1) continue;
    for (const Kernel& k : {Kernel{6, 1, 1}, {6, 3, 3}, {6, 2, 5}})
      for (const std::int64_t groups : sizes({1, 3}, {3})) {
        const Image x{2, 6, 7, 6};
        if (s.dilation.w * (k.w - 1) + 1 > x.w + 2 * s.padding.w) continue;
        const ConvGeometry g = geometry(x, k, grouped(groups, s));
        REQUIRE(method(g) == ConvMethod::direct);
        check_conv<T>(g, k.h != 3, groups == 3);
      }
  }
  check_conv<T>(geometry({3, 4, 5, 5}, {8, 3, 3}, grouped(4, {.padding = {1, 1}})), true);  // depthwise, twice
  check_conv<T>(geometry({1, 1, 1, 1}, {1, 1, 1}), false);
  check_conv<T>(geometry({0, 2, 4, 4}, {3, 3, 3}), true);
  check_conv<T>(geometry({2, 0, 4, 4}, {3, 3, 3}), true);
  check_conv<T>(geometry({2, 2, 4, 4}, {0, 3, 3}), true);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("conv: directly, sums over pixels in pieces", T, float, double) {
  // Around a block of threads, and from 4096 pixels on in two pieces and more.
  for (const std::int64_t w : sizes({255, 257, 4095, 4096, 6145}, {257, 4096}))
    check_conv<T>(geometry({1, 2, 1, w}, {2, 1, 3}, grouped(2, {.padding = {0, 1}})), true);
  check_conv<T>(geometry({70, 1, 9, 9}, {1, 4, 3}, {.padding = {2, 1}}), true);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("conv: directly, with indices of 64 bits", T, float, double) {
  using namespace cuda::detail;
  const ConvGeometry g = geometry({2, 4, 6, 7}, {6, 3, 2}, {.stride = {2, 1}, .padding = {1, 1}, .groups = 2});
  const std::int64_t nx = g.batch * g.in * g.in_plane(), ny = g.batch * g.out * g.out_plane();
  const std::int64_t nw = g.out * g.group_in() * g.taps(), pairs = g.out * g.group_in();
  const auto host_x = normals<T>(nx, 1), host_w = normals<T>(nw, 2), host_dy = normals<T>(ny, 3);
  under_schedules([&] {
    const cuda::DeviceArray<T> x{std::span<const T>(host_x)}, w{std::span<const T>(host_w)};
    const cuda::DeviceArray<T> dy{std::span<const T>(host_dy)}, bias{std::span<const T>(host_w)};
    const auto same = [&]<class Index>(Index) {
      const cuda::DeviceArray<T> y(ny), dx(nx), dw(nw), db(g.out);
      const ConvSizes s(g);
      const PixelPieces pieces(g.batch * g.out_plane(), pairs);
      cuda::launch(ConvForwardKernel<T, Index, 0>{ny, s, x.data(), w.data(), bias.data(), y.data()}, 2, 256);
      cuda::launch(ConvInputGradientKernel<T, Index>{nx, s, dy.data(), w.data(), bias.data(), dx.data()}, 2, 256);
      cuda::launch(ConvWeightGradientKernel<T, Index>{s, 1, pieces, x.data(), dy.data(), dw.data()}, pairs, 256);
      cuda::launch(ConvBiasGradientKernel<T, Index>{int(g.batch), int(g.out), Index(g.out_plane()), pieces, dy.data(),
                                                    db.data()},
                   g.out, 256);
      return std::vector{y.to_host(), dx.to_host(), dw.to_host(), db.to_host()};
    };
    CHECK(same(std::int64_t()) == same(std::int32_t()));
  });
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("conv: by products of matrices", T, float, double) {
  for (const std::int64_t batch : {1, 2})
    for (const bool with_bias : {false, true}) {
      const ConvGeometry g = geometry({batch, 30, 9, 12}, {33, 1, 1});
      REQUIRE(method(g) == ConvMethod::product);
      check_conv<T>(g, with_bias, with_bias);
    }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("conv: by the library, and directly where it has no algorithm that will do", T, float, double) {
  for (const ConvSettings& s : {ConvSettings{.padding = {1, 1}}, ConvSettings{.stride = {1, 2}, .groups = 2},
                                ConvSettings{.padding = {2, 0}, .dilation = {2, 1}}}) {
    const ConvGeometry g = geometry({2, 14, 13, 12}, {16, 3, 3}, s);
    REQUIRE(method(g) == ConvMethod::library);
    check_conv<T>(g, s.groups == 1, s.groups == 2);
  }
  emulation::expect_clean();
}

TEST_CASE("conv: the algorithms that are taken") {
  cudnnHandle_t h = nullptr;
  REQUIRE(cudnnCreate(&h) == CUDNN_STATUS_SUCCESS);
  {
    const ConvGeometry g = geometry({2, 24, 12, 11}, {26, 3, 3}, {.padding = {1, 1}});
    const cuda::detail::ConvPlan<ConvPass::forward> forward(h, g, CUDNN_DATA_FLOAT);
    CHECK(forward.found);
    CHECK(forward.algorithm == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM);
    CHECK(forward.descriptors.conv->math == CUDNN_FMA_MATH);
    const cuda::detail::ConvPlan<ConvPass::input_gradient> input(h, g, CUDNN_DATA_FLOAT);
    CHECK(input.algorithm == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1);
    const cuda::detail::ConvPlan<ConvPass::weight_gradient> weight(h, g, CUDNN_DATA_FLOAT);
    CHECK(weight.algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1);
    const ConvGeometry dilated = geometry({2, 24, 12, 11}, {26, 3, 3}, {.dilation = {2, 2}});
    CHECK_FALSE(cuda::detail::ConvPlan<ConvPass::input_gradient>(h, dilated, CUDNN_DATA_FLOAT).found);
  }
  CHECK(cudnnDestroy(h) == CUDNN_STATUS_SUCCESS);
}

TEST_CASE("conv: what the library refuses is an error with the sizes") {
  const ConvGeometry g = geometry({2, 24, 12, 11}, {26, 3, 3});
  const cuda::DeviceArray<float> x(10);
  const float* const none = nullptr;
  CHECK_THROWS_WITH_AS(
      conv2d(Cuda{}, g, static_cast<const float*>(x.data()), static_cast<const float*>(x.data()), none, x.data()),
      "cudnnConvolutionForward of x (2, 24, 12, 11), w (26, 24, 3, 3), algorithm 1: CUDNN_STATUS_BAD_PARAM",
      cuda::LibraryError);
  CHECK(emulation::last_refusal() == "cudnnConvolutionForward: 25344 bytes of x are not memory of the device");
}

TEST_CASE("cudnn, the stand-in: refuses what the library refuses") {
  cudnnHandle_t h = nullptr;
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t v = nullptr;
  REQUIRE(cudnnCreate(&h) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnCreateTensorDescriptor(&x) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnCreateTensorDescriptor(&y) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnCreateFilterDescriptor(&w) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnCreateConvolutionDescriptor(&v) == CUDNN_STATUS_SUCCESS);
  std::size_t bytes = 0;
  const auto ask = [&] {
    return cudnnGetConvolutionForwardWorkspaceSize(h, x, w, v, y, CUDNN_CONVOLUTION_FWD_ALGO_GEMM, &bytes);
  };
  CHECK(ask() == CUDNN_STATUS_BAD_PARAM);  // nothing is set
  CHECK(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 0, 4, 4) == CUDNN_STATUS_BAD_PARAM);
  CHECK(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1 << 16, 1 << 13, 2, 2) ==
        CUDNN_STATUS_NOT_SUPPORTED);
  REQUIRE(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 2, 4, 4) == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnSetFilter4dDescriptor(w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 3, 2, 3, 3) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnSetConvolution2dDescriptor(v, 0, 0, 0, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT) ==
        CUDNN_STATUS_BAD_PARAM);
  REQUIRE(cudnnSetConvolution2dDescriptor(v, 0, 0, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT) ==
          CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 3, 3, 2) == CUDNN_STATUS_SUCCESS);
  CHECK(ask() == CUDNN_STATUS_BAD_PARAM);
  CHECK(emulation::last_refusal() == "cudnnGetConvolutionForwardWorkspaceSize: y has other sizes than the convolution");
  REQUIRE(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 3, 2, 2) == CUDNN_STATUS_SUCCESS);
  CHECK(ask() == CUDNN_STATUS_SUCCESS);
  REQUIRE(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NCHW, CUDNN_DATA_DOUBLE, 1, 3, 2, 2) == CUDNN_STATUS_SUCCESS);
  CHECK(ask() == CUDNN_STATUS_BAD_PARAM);
  CHECK(emulation::last_refusal() == "cudnnGetConvolutionForwardWorkspaceSize: types differ");
  CHECK(cudnnDestroyTensorDescriptor(x) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnDestroyTensorDescriptor(y) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnDestroyFilterDescriptor(w) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnDestroyConvolutionDescriptor(v) == CUDNN_STATUS_SUCCESS);
  CHECK(cudnnDestroy(h) == CUDNN_STATUS_SUCCESS);
}
