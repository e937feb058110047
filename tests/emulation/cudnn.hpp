// cuDNN for the emulation: the names that kernels/dnn.hpp uses. It refuses what the library refuses, and what the
// library leaves undefined; it computes by plain loops when the stream comes to it.
//
// Its recommendations begin with what must not be taken: an algorithm that adds in any order, one by transforms, one in
// TF32. With a dilation it has no other for the gradients, so that callers show what they do then. None of this is what
// the library would recommend on a card.
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <type_traits>
#include <vector>

#include "library.hpp"

enum cudnnStatus_t {
  CUDNN_STATUS_SUCCESS = 0,
  CUDNN_STATUS_NOT_INITIALIZED = 1001,
  CUDNN_STATUS_BAD_PARAM = 2000,
  CUDNN_STATUS_NOT_SUPPORTED = 3000,
  CUDNN_STATUS_EXECUTION_FAILED = 5000,
};
enum cudnnDataType_t { CUDNN_DATA_FLOAT = 0, CUDNN_DATA_DOUBLE = 1 };
enum cudnnTensorFormat_t { CUDNN_TENSOR_NCHW = 0, CUDNN_TENSOR_NHWC = 1 };
enum cudnnConvolutionMode_t { CUDNN_CONVOLUTION = 0, CUDNN_CROSS_CORRELATION = 1 };
enum cudnnDeterminism_t { CUDNN_NON_DETERMINISTIC = 0, CUDNN_DETERMINISTIC = 1 };
enum cudnnMathType_t {
  CUDNN_DEFAULT_MATH = 0,
  CUDNN_TENSOR_OP_MATH = 1,
  CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION = 2,
  CUDNN_FMA_MATH = 3,
};
enum cudnnConvolutionFwdAlgo_t {
  CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM = 0,
  CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM = 1,
  CUDNN_CONVOLUTION_FWD_ALGO_GEMM = 2,
  CUDNN_CONVOLUTION_FWD_ALGO_DIRECT = 3,
  CUDNN_CONVOLUTION_FWD_ALGO_FFT = 4,
  CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD = 6,
};
enum cudnnConvolutionBwdDataAlgo_t {
  CUDNN_CONVOLUTION_BWD_DATA_ALGO_0 = 0,
  CUDNN_CONVOLUTION_BWD_DATA_ALGO_1 = 1,
  CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD = 4,
};
enum cudnnConvolutionBwdFilterAlgo_t {
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 = 0,
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1 = 1,
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3 = 3,
  CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED = 5,
};

namespace tenzo::emulation {

template <class Algorithm>
struct DnnPerformance {
  Algorithm algo;
  cudnnStatus_t status;
  float time;
  std::size_t memory;
  cudnnDeterminism_t determinism;
  cudnnMathType_t mathType;
  int reserved[3];
};

}  // namespace tenzo::emulation

using cudnnConvolutionFwdAlgoPerf_t = tenzo::emulation::DnnPerformance<cudnnConvolutionFwdAlgo_t>;
using cudnnConvolutionBwdDataAlgoPerf_t = tenzo::emulation::DnnPerformance<cudnnConvolutionBwdDataAlgo_t>;
using cudnnConvolutionBwdFilterAlgoPerf_t = tenzo::emulation::DnnPerformance<cudnnConvolutionBwdFilterAlgo_t>;

struct cudnnContext {
  CUstream_st* stream = nullptr;
};
/// (n, c, h, w) of a tensor, (k, c, h, w) of a filter; n = 0 until it is set.
struct cudnnSizes {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::int64_t n = 0, c = 0, h = 0, w = 0;
  std::size_t bytes() const { return std::size_t(n * c * h * w) * (type == CUDNN_DATA_FLOAT ? 4 : 8); }
};
struct cudnnTensorStruct : cudnnSizes {};
struct cudnnFilterStruct : cudnnSizes {};
struct cudnnConvolutionStruct {
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::int64_t pad_h = 0, pad_w = 0, stride_h = 0, stride_w = 0, dilation_h = 0, dilation_w = 0, groups = 1;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};
using cudnnHandle_t = cudnnContext*;
using cudnnTensorDescriptor_t = cudnnTensorStruct*;
using cudnnFilterDescriptor_t = cudnnFilterStruct*;
using cudnnConvolutionDescriptor_t = cudnnConvolutionStruct*;

namespace tenzo::emulation {

/// Handles and descriptors that were made and not destroyed.
inline std::set<const void*>& dnn_objects() {
  static auto* const all = new std::set<const void*>;
  return *all;
}
template <class S>
cudnnStatus_t make_dnn(S** p) {
  const Call call;
  dnn_objects().insert(*p = new S);
  return CUDNN_STATUS_SUCCESS;
}
template <class S>
cudnnStatus_t destroy_dnn(const char* name, S* p) {
  const Call call;
  if (dnn_objects().erase(p) == 0) return refuse_call(CUDNN_STATUS_BAD_PARAM, name, ": not made, or destroyed");
  delete p;
  return CUDNN_STATUS_SUCCESS;
}

/// x, w and y of a convolution.
struct DnnProblem {
  const char* name;
  cudnnHandle_t handle;
  const cudnnTensorStruct* x;
  const cudnnFilterStruct* w;
  const cudnnConvolutionStruct* conv;
  const cudnnTensorStruct* y;

  cudnnStatus_t wrong(const auto&... why) const { return refuse_call(CUDNN_STATUS_BAD_PARAM, name, ": ", why...); }

  cudnnStatus_t check() const {
    for (const void* p : {static_cast<const void*>(handle), static_cast<const void*>(x), static_cast<const void*>(w),
                          static_cast<const void*>(conv), static_cast<const void*>(y)})
      if (!dnn_objects().contains(p)) return wrong("not a handle or descriptor");
    if (x->n == 0 || y->n == 0 || w->n == 0 || conv->stride_h == 0) return wrong("a descriptor that was not set");
    if (x->type != y->type || x->type != w->type || x->type != conv->type) return wrong("types differ");
    if (x->n != y->n || y->c != w->n || x->c != w->c * conv->groups || w->n % conv->groups != 0)
      return wrong("channels or batches do not fit");
    const auto size = [](std::int64_t n, std::int64_t kernel, std::int64_t pad, std::int64_t stride,
                         std::int64_t dilation) { return (n + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1; };
    if (y->h != size(x->h, w->h, conv->pad_h, conv->stride_h, conv->dilation_h) ||
        y->w != size(x->w, w->w, conv->pad_w, conv->stride_w, conv->dilation_w))
      return wrong("y has other sizes than the convolution");
    return CUDNN_STATUS_SUCCESS;
  }

  bool dilated() const { return conv->dilation_h > 1 || conv->dilation_w > 1; }
  /// What the library's tables say of the sums that are always the same; forward with any dilation.
  bool supports(bool forward, bool deterministic) const { return forward || !deterministic || !dilated(); }
  static constexpr std::size_t workspace = 1000;

  /// f(at x, at w, at y) for each product of the convolution, in the order of y, channels, rows, columns.
  template <class F>
  static void each(const cudnnTensorStruct& x, const cudnnFilterStruct& w, const cudnnConvolutionStruct& v,
                   const cudnnTensorStruct& y, F&& f) {
    const std::int64_t group_out = w.n / v.groups;
    for (std::int64_t n = 0; n < y.n; ++n)
      for (std::int64_t o = 0; o < y.c; ++o)
        for (std::int64_t i = 0; i < y.h; ++i)
          for (std::int64_t j = 0; j < y.w; ++j)
            for (std::int64_t c = 0; c < w.c; ++c)
              for (std::int64_t k = 0; k < w.h; ++k) {
                const std::int64_t r = i * v.stride_h - v.pad_h + k * v.dilation_h;
                if (r < 0 || r >= x.h) continue;
                for (std::int64_t l = 0; l < w.w; ++l) {
                  const std::int64_t s = j * v.stride_w - v.pad_w + l * v.dilation_w;
                  if (s < 0 || s >= x.w) continue;
                  f(((n * x.c + o / group_out * w.c + c) * x.h + r) * x.w + s, ((o * w.c + c) * w.h + k) * w.w + l,
                    ((n * y.c + o) * y.h + i) * y.w + j);
                }
              }
  }
};

struct DnnOperand {
  const char* what;
  const void* data;
  std::size_t bytes;
};

/// to = alpha · Σ products + beta · to: `product(a, b, to)` of the offsets that `each` gives.
template <class Product>
cudnnStatus_t convolve(const DnnProblem& p, bool forward, bool deterministic, void* workspace, std::size_t bytes,
                       const void* alpha, const void* beta, const DnnOperand& a, const DnnOperand& b,
                       const DnnOperand& to, Product product) {
  const Call call;
  if (const auto s = p.check()) return s;
  CUstream_st* const stream = find_stream(p.handle->stream);
  if (!stream) return refuse_call(CUDNN_STATUS_EXECUTION_FAILED, p.name, ": its stream was destroyed");
  if (!p.supports(forward, deterministic))
    return refuse_call(CUDNN_STATUS_NOT_SUPPORTED, p.name, ": the algorithm knows no dilation");
  if (!alpha || !beta) return p.wrong("no alpha or beta");
  if (bytes < DnnProblem::workspace || !owned_by_device(workspace, bytes))
    return p.wrong(bytes, " bytes of workspace, of ", DnnProblem::workspace);
  const std::size_t size = p.x->type == CUDNN_DATA_FLOAT ? 4 : 8;
  for (const DnnOperand& o : {a, b, to}) {
    if (!aligned_to(o.data, size)) return p.wrong(o.what, " is not aligned to its type");
    if (!owned_by_device(o.data, o.bytes))
      return p.wrong(o.bytes, " bytes of ", o.what, " are not memory of the device");
  }
  const auto run = [&]<class T>(T) {
    const T by = *static_cast<const T*>(alpha), keep = *static_cast<const T*>(beta);
    const auto x = *p.x, y = *p.y;
    const auto w = *p.w;
    const auto v = *p.conv;
    const T *from_a = static_cast<const T*>(a.data), *from_b = static_cast<const T*>(b.data);
    T* const out = static_cast<T*>(const_cast<void*>(to.data));
    on_stream(*stream, {workspace, bytes}, {{a.data, a.bytes}, {b.data, b.bytes}}, {to.data, to.bytes},
              [=, n = to.bytes / sizeof(T)] {
                std::vector<T> sums(n, T(0));
                DnnProblem::each(x, w, v, y, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
                  const auto [at_a, at_b, at] = product(i, j, k);
                  T& sum = sums[std::size_t(at)];
                  sum = std::fma(from_a[at_a], from_b[at_b], sum);
                });
                for (std::size_t i = 0; i < n; ++i) out[i] = keep == T(0) ? by * sums[i] : by * sums[i] + keep * out[i];
              });
  };
  if (p.x->type == CUDNN_DATA_FLOAT) run(float());
  else run(double());
  return CUDNN_STATUS_SUCCESS;
}
struct DnnProduct {
  std::int64_t a, b, to;
};

/// The list of recommendations: `any` adds in any order, `transform` is none of sums, `sum` will do.
template <class Algorithm>
cudnnStatus_t recommend(const DnnProblem& p, bool forward, Algorithm any, Algorithm transform, Algorithm sum, int most,
                        int* n, DnnPerformance<Algorithm>* list) {
  const Call call;
  if (const auto s = p.check()) return s;
  if (most < 1 || !n || !list) return p.wrong("no room for results");
  const DnnPerformance<Algorithm> all[] = {
      {any, CUDNN_STATUS_SUCCESS, -1, DnnProblem::workspace, CUDNN_NON_DETERMINISTIC, CUDNN_FMA_MATH, {}},
      {transform, CUDNN_STATUS_SUCCESS, -1, DnnProblem::workspace, CUDNN_DETERMINISTIC, CUDNN_DEFAULT_MATH, {}},
      {sum, CUDNN_STATUS_SUCCESS, -1, DnnProblem::workspace, CUDNN_DETERMINISTIC, CUDNN_TENSOR_OP_MATH, {}},
      {sum,
       p.supports(forward, true) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED,
       -1,
       DnnProblem::workspace,
       CUDNN_DETERMINISTIC,
       CUDNN_FMA_MATH,
       {}},
  };
  *n = 0;
  for (const auto& one : all)
    if (*n < most) list[(*n)++] = one;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t workspace(const DnnProblem& p, bool forward, bool deterministic, std::size_t* bytes) {
  const Call call;
  if (const auto s = p.check()) return s;
  if (!p.supports(forward, deterministic)) return refuse_call(CUDNN_STATUS_NOT_SUPPORTED, p.name, ": no dilation");
  *bytes = DnnProblem::workspace;
  return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t set_sizes(const char* name, cudnnSizes* d, cudnnTensorFormat_t format, cudnnDataType_t type, int n,
                               int c, int h, int w) {
  const Call call;
  if (!d || n < 1 || c < 1 || h < 1 || w < 1 || format != CUDNN_TENSOR_NCHW)
    return refuse_call(CUDNN_STATUS_BAD_PARAM, name, ": (", n, ", ", c, ", ", h, ", ", w, ")");
  if (std::int64_t(n) * c * h * w >= std::int64_t(1) << 31)
    return refuse_call(CUDNN_STATUS_NOT_SUPPORTED, name, ": 2³¹ elements or more");
  *d = {type, n, c, h, w};
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace tenzo::emulation

inline const char* cudnnGetErrorString(cudnnStatus_t s) {
  switch (s) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "unknown";
}

// ── handles and descriptors ──────────────────────────────────────────────────────────────────────────────────────────

inline cudnnStatus_t cudnnCreate(cudnnHandle_t* h) { return tenzo::emulation::make_dnn(h); }
inline cudnnStatus_t cudnnDestroy(cudnnHandle_t h) { return tenzo::emulation::destroy_dnn("cudnnDestroy", h); }
inline cudnnStatus_t cudnnSetStream(cudnnHandle_t h, cudaStream_t s) {
  const tenzo::emulation::Call call;
  if (!tenzo::emulation::dnn_objects().contains(h))
    return tenzo::emulation::refuse_call(CUDNN_STATUS_NOT_INITIALIZED, "cudnnSetStream: not a handle");
  h->stream = s;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* d) { return tenzo::emulation::make_dnn(d); }
inline cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* d) { return tenzo::emulation::make_dnn(d); }
inline cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* d) {
  return tenzo::emulation::make_dnn(d);
}
inline cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d) {
  return tenzo::emulation::destroy_dnn("cudnnDestroyTensorDescriptor", d);
}
inline cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t d) {
  return tenzo::emulation::destroy_dnn("cudnnDestroyFilterDescriptor", d);
}
inline cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t d) {
  return tenzo::emulation::destroy_dnn("cudnnDestroyConvolutionDescriptor", d);
}
inline cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format,
                                                cudnnDataType_t type, int n, int c, int h, int w) {
  return tenzo::emulation::set_sizes("cudnnSetTensor4dDescriptor", d, format, type, n, c, h, w);
}
inline cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type,
                                                cudnnTensorFormat_t format, int k, int c, int h, int w) {
  return tenzo::emulation::set_sizes("cudnnSetFilter4dDescriptor", d, format, type, k, c, h, w);
}
inline cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int pad_h, int pad_w, int stride_h,
                                                     int stride_w, int dilation_h, int dilation_w,
                                                     cudnnConvolutionMode_t mode, cudnnDataType_t type) {
  if (!d || pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 || dilation_h < 1 || dilation_w < 1 ||
      mode != CUDNN_CROSS_CORRELATION)
    return tenzo::emulation::refuse_call(CUDNN_STATUS_BAD_PARAM, "cudnnSetConvolution2dDescriptor");
  *d = {type, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w};
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t d, int groups) {
  if (!d || groups < 1) return tenzo::emulation::refuse_call(CUDNN_STATUS_BAD_PARAM, "cudnnSetConvolutionGroupCount");
  d->groups = groups;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t math) {
  d->math = math;
  return CUDNN_STATUS_SUCCESS;
}

// ── convolutions ─────────────────────────────────────────────────────────────────────────────────────────────────────

inline cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t h, cudnnTensorDescriptor_t x,
                                                            cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t v,
                                                            cudnnTensorDescriptor_t y, int most, int* n,
                                                            cudnnConvolutionFwdAlgoPerf_t* list) {
  return tenzo::emulation::recommend({"cudnnGetConvolutionForwardAlgorithm_v7", h, x, w, v, y}, true,
                                     CUDNN_CONVOLUTION_FWD_ALGO_FFT, CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD,
                                     CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, most, n, list);
}
inline cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t h, cudnnTensorDescriptor_t x,
                                                             cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t v,
                                                             cudnnTensorDescriptor_t y, cudnnConvolutionFwdAlgo_t,
                                                             std::size_t* bytes) {
  return tenzo::emulation::workspace({"cudnnGetConvolutionForwardWorkspaceSize", h, x, w, v, y}, true, true, bytes);
}
inline cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t h, const void* alpha, cudnnTensorDescriptor_t x,
                                             const void* at_x, cudnnFilterDescriptor_t w, const void* at_w,
                                             cudnnConvolutionDescriptor_t v, cudnnConvolutionFwdAlgo_t, void* space,
                                             std::size_t bytes, const void* beta, cudnnTensorDescriptor_t y,
                                             void* at_y) {
  return tenzo::emulation::convolve({"cudnnConvolutionForward", h, x, w, v, y}, true, true, space, bytes, alpha, beta,
                                    {"x", at_x, x->bytes()}, {"w", at_w, w->bytes()}, {"y", at_y, y->bytes()},
                                    [](auto i, auto j, auto k) {
                                      return tenzo::emulation::DnnProduct{i, j, k};
                                    });
}

inline cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t h, cudnnFilterDescriptor_t w,
                                                                 cudnnTensorDescriptor_t y,
                                                                 cudnnConvolutionDescriptor_t v,
                                                                 cudnnTensorDescriptor_t x, int most, int* n,
                                                                 cudnnConvolutionBwdDataAlgoPerf_t* list) {
  return tenzo::emulation::recommend({"cudnnGetConvolutionBackwardDataAlgorithm_v7", h, x, w, v, y}, false,
                                     CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD,
                                     CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, most, n, list);
}
inline cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(cudnnHandle_t h, cudnnFilterDescriptor_t w,
                                                                  cudnnTensorDescriptor_t y,
                                                                  cudnnConvolutionDescriptor_t v,
                                                                  cudnnTensorDescriptor_t x,
                                                                  cudnnConvolutionBwdDataAlgo_t a, std::size_t* bytes) {
  return tenzo::emulation::workspace({"cudnnGetConvolutionBackwardDataWorkspaceSize", h, x, w, v, y}, false,
                                     a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, bytes);
}
inline cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t h, const void* alpha, cudnnFilterDescriptor_t w,
                                                  const void* at_w, cudnnTensorDescriptor_t y, const void* at_y,
                                                  cudnnConvolutionDescriptor_t v, cudnnConvolutionBwdDataAlgo_t a,
                                                  void* space, std::size_t bytes, const void* beta,
                                                  cudnnTensorDescriptor_t x, void* at_x) {
  return tenzo::emulation::convolve({"cudnnConvolutionBackwardData", h, x, w, v, y}, false,
                                    a == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, space, bytes, alpha, beta,
                                    {"w", at_w, w->bytes()}, {"dy", at_y, y->bytes()}, {"dx", at_x, x->bytes()},
                                    [](auto i, auto j, auto k) {
                                      return tenzo::emulation::DnnProduct{j, k, i};
                                    });
}

inline cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t h, cudnnTensorDescriptor_t x,
                                                                   cudnnTensorDescriptor_t y,
                                                                   cudnnConvolutionDescriptor_t v,
                                                                   cudnnFilterDescriptor_t w, int most, int* n,
                                                                   cudnnConvolutionBwdFilterAlgoPerf_t* list) {
  return tenzo::emulation::recommend(
      {"cudnnGetConvolutionBackwardFilterAlgorithm_v7", h, x, w, v, y}, false, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0,
      CUDNN_CONVOLUTION_BWD_FILTER_ALGO_WINOGRAD_NONFUSED, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, most, n, list);
}
inline cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t h, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t y, cudnnConvolutionDescriptor_t v,
    cudnnFilterDescriptor_t w, cudnnConvolutionBwdFilterAlgo_t a, std::size_t* bytes) {
  return tenzo::emulation::workspace({"cudnnGetConvolutionBackwardFilterWorkspaceSize", h, x, w, v, y}, false,
                                     a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, bytes);
}
inline cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t h, const void* alpha, cudnnTensorDescriptor_t x,
                                                    const void* at_x, cudnnTensorDescriptor_t y, const void* at_y,
                                                    cudnnConvolutionDescriptor_t v, cudnnConvolutionBwdFilterAlgo_t a,
                                                    void* space, std::size_t bytes, const void* beta,
                                                    cudnnFilterDescriptor_t w, void* at_w) {
  return tenzo::emulation::convolve({"cudnnConvolutionBackwardFilter", h, x, w, v, y}, false,
                                    a == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, space, bytes, alpha, beta,
                                    {"x", at_x, x->bytes()}, {"dy", at_y, y->bytes()}, {"dw", at_w, w->bytes()},
                                    [](auto i, auto j, auto k) {
                                      return tenzo::emulation::DnnProduct{i, k, j};
                                    });
}
