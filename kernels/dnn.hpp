// Convolutions by cuDNN, checked.
//
//   Algorithms  of those that the library recommends for the sizes, the first that gives the same bits in every run,
//               and whose error is that of a sum: none by Fourier or Winograd transforms, whose differences cost
//               digits.
//   Precision   CUDNN_FMA_MATH: float convolutions are made of float multiply-adds, not of TF32.
#pragma once

#ifdef TENZO_EMULATE_CUDA
#include "emulation/cudnn.hpp"
#else
#include <cudnn.h>
#endif

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <tuple>
#include <type_traits>

#include "library.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/ops/shapes/conv.hpp"

namespace tenzo::cuda::detail {

template <class... Parts>
void check_dnn(cudnnStatus_t s, const Parts&... call) {
  if (s != CUDNN_STATUS_SUCCESS) [[unlikely]]
    throw LibraryError(cat(call..., ": ", cudnnGetErrorString(s)));
}

enum class ConvPass { forward, input_gradient, weight_gradient };

/// x, w and y of a convolution as cuDNN knows them.
class ConvDescriptors {
 public:
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t conv = nullptr;

  ConvDescriptors(const ConvGeometry& g, cudnnDataType_t type) {
    try {
      set(g, type);
    } catch (...) {
      destroy();
      throw;
    }
  }
  ConvDescriptors(const ConvDescriptors&) = delete;
  ConvDescriptors& operator=(const ConvDescriptors&) = delete;
  ~ConvDescriptors() { destroy(); }

 private:
  void set(const ConvGeometry& g, cudnnDataType_t type) {
    const auto i = [](std::int64_t n) { return int(n); };
    check_dnn(cudnnCreateTensorDescriptor(&x), "cudnnCreateTensorDescriptor");
    check_dnn(cudnnCreateTensorDescriptor(&y), "cudnnCreateTensorDescriptor");
    check_dnn(cudnnCreateFilterDescriptor(&w), "cudnnCreateFilterDescriptor");
    check_dnn(cudnnCreateConvolutionDescriptor(&conv), "cudnnCreateConvolutionDescriptor");
    check_dnn(
        cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NCHW, type, i(g.batch), i(g.in), i(g.in_size.h), i(g.in_size.w)),
        "cudnnSetTensor4dDescriptor of x");
    check_dnn(
        cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NCHW, type, i(g.batch), i(g.out), i(g.out_size.h), i(g.out_size.w)),
        "cudnnSetTensor4dDescriptor of y");
    check_dnn(
        cudnnSetFilter4dDescriptor(w, type, CUDNN_TENSOR_NCHW, i(g.out), i(g.group_in()), i(g.kernel.h), i(g.kernel.w)),
        "cudnnSetFilter4dDescriptor");
    check_dnn(cudnnSetConvolution2dDescriptor(conv, i(g.padding.h), i(g.padding.w), i(g.stride.h), i(g.stride.w),
                                              i(g.dilation.h), i(g.dilation.w), CUDNN_CROSS_CORRELATION, type),
              "cudnnSetConvolution2dDescriptor");
    check_dnn(cudnnSetConvolutionGroupCount(conv, i(g.groups)), "cudnnSetConvolutionGroupCount");
    check_dnn(cudnnSetConvolutionMathType(conv, CUDNN_FMA_MATH), "cudnnSetConvolutionMathType");
  }
  void destroy() {
    if (conv) cudnnDestroyConvolutionDescriptor(conv);
    if (w) cudnnDestroyFilterDescriptor(w);
    if (y) cudnnDestroyTensorDescriptor(y);
    if (x) cudnnDestroyTensorDescriptor(x);
  }
};

/// The three passes under one set of names: `recommend` lists algorithms, `run` computes `to = scale to + pass(a, b)`.
///   forward          a = x, b = w
///   input_gradient   a = w, b = dy
///   weight_gradient  a = x, b = dy
template <ConvPass>
struct ConvCalls;

template <>
struct ConvCalls<ConvPass::forward> {
  static constexpr const char* name = "cudnnConvolutionForward";
  using Performance = cudnnConvolutionFwdAlgoPerf_t;
  using Algorithm = cudnnConvolutionFwdAlgo_t;

  static bool is_sum(Algorithm a) {
    return a == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM || a == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
           a == CUDNN_CONVOLUTION_FWD_ALGO_GEMM || a == CUDNN_CONVOLUTION_FWD_ALGO_DIRECT;
  }
  static cudnnStatus_t recommend(cudnnHandle_t h, const ConvDescriptors& d, int most, int* n, Performance* p) {
    return cudnnGetConvolutionForwardAlgorithm_v7(h, d.x, d.w, d.conv, d.y, most, n, p);
  }
  static cudnnStatus_t workspace(cudnnHandle_t h, const ConvDescriptors& d, Algorithm a, std::size_t* bytes) {
    return cudnnGetConvolutionForwardWorkspaceSize(h, d.x, d.w, d.conv, d.y, a, bytes);
  }
  static cudnnStatus_t run(cudnnHandle_t h, const ConvDescriptors& d, Algorithm algorithm, const Workspace& space,
                           const void* one, const void* a, const void* b, const void* scale, void* to) {
    return cudnnConvolutionForward(h, one, d.x, a, d.w, b, d.conv, algorithm, space.data(), space.size(), scale, d.y,
                                   to);
  }
};

template <>
struct ConvCalls<ConvPass::input_gradient> {
  static constexpr const char* name = "cudnnConvolutionBackwardData";
  using Performance = cudnnConvolutionBwdDataAlgoPerf_t;
  using Algorithm = cudnnConvolutionBwdDataAlgo_t;

  static bool is_sum(Algorithm a) {
    return a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 || a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
  }
  static cudnnStatus_t recommend(cudnnHandle_t h, const ConvDescriptors& d, int most, int* n, Performance* p) {
    return cudnnGetConvolutionBackwardDataAlgorithm_v7(h, d.w, d.y, d.conv, d.x, most, n, p);
  }
  static cudnnStatus_t workspace(cudnnHandle_t h, const ConvDescriptors& d, Algorithm a, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardDataWorkspaceSize(h, d.w, d.y, d.conv, d.x, a, bytes);
  }
  static cudnnStatus_t run(cudnnHandle_t h, const ConvDescriptors& d, Algorithm algorithm, const Workspace& space,
                           const void* one, const void* a, const void* b, const void* scale, void* to) {
    return cudnnConvolutionBackwardData(h, one, d.w, a, d.y, b, d.conv, algorithm, space.data(), space.size(), scale,
                                        d.x, to);
  }
};

template <>
struct ConvCalls<ConvPass::weight_gradient> {
  static constexpr const char* name = "cudnnConvolutionBackwardFilter";
  using Performance = cudnnConvolutionBwdFilterAlgoPerf_t;
  using Algorithm = cudnnConvolutionBwdFilterAlgo_t;

  static bool is_sum(Algorithm a) {
    return a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 || a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1 ||
           a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3;
  }
  static cudnnStatus_t recommend(cudnnHandle_t h, const ConvDescriptors& d, int most, int* n, Performance* p) {
    return cudnnGetConvolutionBackwardFilterAlgorithm_v7(h, d.x, d.y, d.conv, d.w, most, n, p);
  }
  static cudnnStatus_t workspace(cudnnHandle_t h, const ConvDescriptors& d, Algorithm a, std::size_t* bytes) {
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(h, d.x, d.y, d.conv, d.w, a, bytes);
  }
  static cudnnStatus_t run(cudnnHandle_t h, const ConvDescriptors& d, Algorithm algorithm, const Workspace& space,
                           const void* one, const void* a, const void* b, const void* scale, void* to) {
    return cudnnConvolutionBackwardFilter(h, one, d.x, a, d.y, b, d.conv, algorithm, space.data(), space.size(), scale,
                                          d.w, to);
  }
};

/// A pass for given sizes: descriptors, and the algorithm if there is one.
template <ConvPass pass>
struct ConvPlan {
  using Calls = ConvCalls<pass>;
  static constexpr std::size_t most_workspace = std::size_t(256) << 20;

  ConvDescriptors descriptors;
  typename Calls::Algorithm algorithm{};
  std::size_t workspace_bytes = 0;
  bool found = false;

  ConvPlan(cudnnHandle_t h, const ConvGeometry& g, cudnnDataType_t type) : descriptors(g, type) {
    constexpr int most = 16;
    typename Calls::Performance list[most];
    int n = 0;
    if (Calls::recommend(h, descriptors, most, &n, list) != CUDNN_STATUS_SUCCESS) return;  // none for these sizes
    for (int i = 0; i < n && !found; ++i) {
      if (list[i].status != CUDNN_STATUS_SUCCESS || list[i].determinism != CUDNN_DETERMINISTIC ||
          !(list[i].mathType == CUDNN_FMA_MATH || list[i].mathType == CUDNN_DEFAULT_MATH) ||
          !Calls::is_sum(list[i].algo))
        continue;
      algorithm = list[i].algo;
      found = Calls::workspace(h, descriptors, algorithm, &workspace_bytes) == CUDNN_STATUS_SUCCESS &&
              workspace_bytes <= most_workspace;
    }
  }
};

/// A handle of cuDNN with its plans. Use `library_handle<Dnn>()`.
class Dnn {
 public:
  Dnn() { check_dnn(cudnnCreate(&handle_), "cudnnCreate"); }
  Dnn(const Dnn&) = delete;
  Dnn& operator=(const Dnn&) = delete;
  ~Dnn() {
    clear();
    cudnnDestroy(handle_);
  }

  /// to = pass(a, b), or to + pass(a, b); false where the library has no algorithm that will do.
  template <ConvPass pass, Real T>
  bool run(const ConvGeometry& g, const T* a, const T* b, T* to, bool accumulate) {
    using Calls = ConvCalls<pass>;
    const ConvPlan<pass>& plan = plan_for<pass>(g, std::is_same_v<T, float> ? CUDNN_DATA_FLOAT : CUDNN_DATA_DOUBLE);
    if (!plan.found) return false;
    const Workspace workspace(plan.workspace_bytes);
    const T one = T(1), scale = accumulate ? T(1) : T(0);
    check_dnn(cudnnSetStream(handle_, cuda::current_stream()), "cudnnSetStream");
    const cudnnStatus_t s = Calls::run(handle_, plan.descriptors, plan.algorithm, workspace, &one, a, b, &scale, to);
    if (s != CUDNN_STATUS_SUCCESS) [[unlikely]]
      check_dnn(s, Calls::name, " of x (", g.batch, ", ", g.in, ", ", g.in_size.h, ", ", g.in_size.w, "), w (", g.out,
                ", ", g.group_in(), ", ", g.kernel.h, ", ", g.kernel.w, "), algorithm ", int(plan.algorithm));
    return true;
  }

 private:
  using Key = std::array<std::int64_t, 16>;
  template <ConvPass pass>
  using Plans = std::map<Key, ConvPlan<pass>>;

  template <ConvPass pass>
  const ConvPlan<pass>& plan_for(const ConvGeometry& g, cudnnDataType_t type) {
    constexpr std::size_t most = 256;
    auto& plans = std::get<Plans<pass>>(plans_);
    const Key key{g.batch,      g.in,         g.out,      g.in_size.h, g.in_size.w, g.kernel.h,
                  g.kernel.w,   g.out_size.h, g.stride.h, g.stride.w,  g.padding.h, g.padding.w,
                  g.dilation.h, g.dilation.w, g.groups,   type};
    if (const auto at = plans.find(key); at != plans.end()) return at->second;
    if (plans.size() >= most) plans.clear();
    return plans.try_emplace(key, handle_, g, type).first->second;
  }
  void clear() {
    std::apply([](auto&... plans) { (plans.clear(), ...); }, plans_);
  }

  cudnnHandle_t handle_ = nullptr;
  std::tuple<Plans<ConvPass::forward>, Plans<ConvPass::input_gradient>, Plans<ConvPass::weight_gradient>> plans_;
};

/// Whether cuDNN can count the sizes: in int, and tensors of less than 2³¹ elements.
inline bool dnn_can_count(const ConvGeometry& g) {
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  return g.batch * g.in * g.in_plane() <= most && g.batch * g.out * g.out_plane() <= most &&
         g.out * g.group_in() * g.taps() <= most && g.padding.h <= most && g.padding.w <= most && g.stride.h <= most &&
         g.stride.w <= most && g.dilation.h <= most && g.dilation.w <= most;
}

}  // namespace tenzo::cuda::detail
