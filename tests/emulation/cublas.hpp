// cuBLAS for the emulation: the names that kernels/blas.hpp uses. It refuses what the library refuses, and what the
// library leaves undefined; it computes by plain loops when the stream comes to it. That it accepts a call says nothing
// about the library's speed or the order of its sums.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>

#include "library.hpp"

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
};
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_OP_C = 2 };
enum cublasMath_t { CUBLAS_DEFAULT_MATH = 0, CUBLAS_PEDANTIC_MATH = 2, CUBLAS_TF32_TENSOR_OP_MATH = 3 };

struct cublasContext {
  CUstream_st* stream = nullptr;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
};
using cublasHandle_t = cublasContext*;

namespace tenzo::emulation {

inline std::set<cublasHandle_t>& blas_handles() {
  static auto* const all = new std::set<cublasHandle_t>;
  return *all;
}

/// C = alpha op(A) op(B) + beta C in columns, element by element, a chain of multiply-adds in the order of k.
template <class T>
struct Gemm {
  cublasOperation_t op_a, op_b;
  std::int64_t m, n, k;
  T alpha, beta;
  const T* a;
  std::int64_t lda, stride_a;
  const T* b;
  std::int64_t ldb, stride_b;
  T* c;
  std::int64_t ldc, stride_c, count;

  std::int64_t columns_a() const { return op_a == CUBLAS_OP_N ? k : m; }
  std::int64_t columns_b() const { return op_b == CUBLAS_OP_N ? n : k; }
  /// Bytes from an operand's first number to behind its last.
  static std::size_t reach(std::int64_t rows, std::int64_t columns, std::int64_t ld, std::int64_t stride,
                           std::int64_t count) {
    if (rows * columns * count == 0) return 0;
    return std::size_t((count - 1) * stride + (columns - 1) * ld + rows) * sizeof(T);
  }

  void run() const {
    const std::int64_t row_a = op_a == CUBLAS_OP_N ? 1 : lda, col_a = op_a == CUBLAS_OP_N ? lda : 1;
    const std::int64_t row_b = op_b == CUBLAS_OP_N ? 1 : ldb, col_b = op_b == CUBLAS_OP_N ? ldb : 1;
    for (std::int64_t e = 0; e < count; ++e)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t i = 0; i < m; ++i) {
          const T *x = a + e * stride_a + i * row_a, *y = b + e * stride_b + j * col_b;
          T sum = T(0);
          for (std::int64_t l = 0; l < k; ++l, x += col_a, y += row_b) sum = std::fma(*x, *y, sum);
          T& to = c[e * stride_c + j * ldc + i];
          to = beta == T(0) ? alpha * sum : alpha * sum + beta * to;
        }
  }
};

template <class T>
cublasStatus_t gemm(const char* name, cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m,
                    std::int64_t n, std::int64_t k, const T* alpha, const T* a, std::int64_t lda, long long stride_a,
                    const T* b, std::int64_t ldb, long long stride_b, const T* beta, T* c, std::int64_t ldc,
                    long long stride_c, std::int64_t count) {
  const Call call;
  const auto wrong = [&](const auto&... why) { return refuse_call(CUBLAS_STATUS_INVALID_VALUE, name, ": ", why...); };
  if (!blas_handles().contains(h)) return refuse_call(CUBLAS_STATUS_NOT_INITIALIZED, name, ": not a handle");
  CUstream_st* const stream = find_stream(h->stream);
  if (!stream) return refuse_call(CUBLAS_STATUS_EXECUTION_FAILED, name, ": its stream was destroyed");
  if (m < 0 || n < 0 || k < 0 || count < 0) return wrong("a negative size");
  if (op_a < CUBLAS_OP_N || op_a > CUBLAS_OP_C || op_b < CUBLAS_OP_N || op_b > CUBLAS_OP_C)
    return wrong("an operation");
  if (!alpha || !beta) return wrong("no alpha or beta");
  const std::int64_t rows_a = op_a == CUBLAS_OP_N ? m : k, rows_b = op_b == CUBLAS_OP_N ? k : n;
  if (lda < std::max<std::int64_t>(1, rows_a)) return wrong("lda is ", lda, ", a has ", rows_a, " rows");
  if (ldb < std::max<std::int64_t>(1, rows_b)) return wrong("ldb is ", ldb, ", b has ", rows_b, " rows");
  if (ldc < std::max<std::int64_t>(1, m)) return wrong("ldc is ", ldc, ", c has ", m, " rows");
  if (m * n * count == 0) return CUBLAS_STATUS_SUCCESS;

  const Gemm<T> g{op_a, op_b, m, n, k, *alpha, *beta, a, lda, stride_a, b, ldb, stride_b, c, ldc, stride_c, count};
  // What the library does not check: its results would be undefined.
  if (stride_a < 0 || stride_b < 0) return wrong("a negative stride");
  if (count > 1 && stride_c < (n - 1) * ldc + m) return wrong("the matrices of c overlap");
  const struct {
    const char* what;
    const void* data;
    std::size_t bytes;
  } operands[] = {{"a", a, g.reach(rows_a, g.columns_a(), lda, stride_a, count)},
                  {"b", b, g.reach(rows_b, g.columns_b(), ldb, stride_b, count)},
                  {"c", c, g.reach(m, n, ldc, stride_c, count)}};
  for (const auto& o : operands) {
    if (o.bytes == 0) continue;
    if (!aligned_to(o.data, sizeof(T))) return wrong(o.what, " is not aligned to its type");
    if (!owned_by_device(o.data, o.bytes)) return wrong(o.bytes, " bytes of ", o.what, " are not memory of the device");
  }
  if (!h->workspace || !owned_by_device(h->workspace, h->workspace_bytes))
    return refuse_call(CUBLAS_STATUS_ALLOC_FAILED, name, ": no workspace of the device since the stream was set");
  on_stream(*stream, {h->workspace, h->workspace_bytes},
            {{operands[0].data, operands[0].bytes}, {operands[1].data, operands[1].bytes}},
            {operands[2].data, operands[2].bytes}, [g] { g.run(); });
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace tenzo::emulation

inline const char* cublasGetStatusString(cublasStatus_t s) {
  switch (s) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
  return "unknown";
}

inline cublasStatus_t cublasCreate(cublasHandle_t* h) {
  const tenzo::emulation::Call call;
  tenzo::emulation::blas_handles().insert(*h = new cublasContext);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasDestroy(cublasHandle_t h) {
  const tenzo::emulation::Call call;
  if (tenzo::emulation::blas_handles().erase(h) == 0)
    return tenzo::emulation::refuse_call(CUBLAS_STATUS_NOT_INITIALIZED, "cublasDestroy: not a handle");
  delete h;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode) {
  const tenzo::emulation::Call call;
  if (!tenzo::emulation::blas_handles().contains(h))
    return tenzo::emulation::refuse_call(CUBLAS_STATUS_NOT_INITIALIZED, "cublasSetMathMode: not a handle");
  h->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}
/// Also forgets the workspace, as the library does.
inline cublasStatus_t cublasSetStream(cublasHandle_t h, cudaStream_t s) {
  const tenzo::emulation::Call call;
  if (!tenzo::emulation::blas_handles().contains(h))
    return tenzo::emulation::refuse_call(CUBLAS_STATUS_NOT_INITIALIZED, "cublasSetStream: not a handle");
  h->stream = s, h->workspace = nullptr, h->workspace_bytes = 0;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t h, void* workspace, std::size_t bytes) {
  const tenzo::emulation::Call call;
  if (!tenzo::emulation::blas_handles().contains(h))
    return tenzo::emulation::refuse_call(CUBLAS_STATUS_NOT_INITIALIZED, "cublasSetWorkspace: not a handle");
  if (!tenzo::emulation::aligned_to(workspace, 256))
    return tenzo::emulation::refuse_call(CUBLAS_STATUS_INVALID_VALUE, "cublasSetWorkspace: not aligned to 256 bytes");
  h->workspace = workspace, h->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

#define TENZO_GEMM(T, letter)                                                                                         \
  inline cublasStatus_t cublas##letter##gemm_64(cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b,     \
                                                std::int64_t m, std::int64_t n, std::int64_t k, const T* alpha,       \
                                                const T* a, std::int64_t lda, const T* b, std::int64_t ldb,           \
                                                const T* beta, T* c, std::int64_t ldc) {                              \
    return tenzo::emulation::gemm<T>("cublas" #letter "gemm", h, op_a, op_b, m, n, k, alpha, a, lda, 0, b, ldb, 0,    \
                                     beta, c, ldc, 0, 1);                                                             \
  }                                                                                                                   \
  inline cublasStatus_t cublas##letter##gemmStridedBatched_64(                                                        \
      cublasHandle_t h, cublasOperation_t op_a, cublasOperation_t op_b, std::int64_t m, std::int64_t n,               \
      std::int64_t k, const T* alpha, const T* a, std::int64_t lda, long long stride_a, const T* b, std::int64_t ldb, \
      long long stride_b, const T* beta, T* c, std::int64_t ldc, long long stride_c, std::int64_t count) {            \
    return tenzo::emulation::gemm<T>("cublas" #letter "gemmStridedBatched", h, op_a, op_b, m, n, k, alpha, a, lda,    \
                                     stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, count);                      \
  }

TENZO_GEMM(float, S)
TENZO_GEMM(double, D)

#undef TENZO_GEMM
