// Dense products by cuBLAS, checked.
//
//   Precision  CUBLAS_PEDANTIC_MATH: float products are made of float multiply-adds, whatever the environment or a
//              later library thinks of TF32 or of bfloat16 in three parts. Small differences of losses are what
//              zeroth-order methods live on.
//   Order      the library chooses the order of a sum by the sizes and the device; it is the same in every run.
#pragma once

#ifdef TENZO_EMULATE_CUDA
#include "emulation/cublas.hpp"
#else
#include <cublas_v2.h>
#endif

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "library.hpp"
#include "tenzo/core/dtype.hpp"

namespace tenzo::cuda::detail {

template <class... Parts>
void check_blas(cublasStatus_t s, const Parts&... call) {
  if (s != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    throw LibraryError(cat(call..., ": ", cublasGetStatusString(s)));
}

/// A handle of cuBLAS. Use `library_handle<Blas>()`.
class Blas {
 public:
  Blas() {
    check_blas(cublasCreate(&handle_), "cublasCreate");
    check_blas(cublasSetMathMode(handle_, CUBLAS_PEDANTIC_MATH), "cublasSetMathMode");
  }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  ~Blas() { cublasDestroy(handle_); }

  /// On the current stream, and with memory that lives until the next call.
  cublasHandle_t with(const Workspace& w) const {
    check_blas(cublasSetStream(handle_, cuda::current_stream()), "cublasSetStream");
    check_blas(cublasSetWorkspace(handle_, w.data(), w.size()), "cublasSetWorkspace");
    return handle_;
  }

  /// What it may use where several blocks share a sum: some results of parts, and at most 4 MiB.
  static std::size_t workspace_bytes(std::int64_t results, std::size_t size) {
    return std::clamp<std::size_t>(32 * std::size_t(results) * size, 64 << 10, 4 << 20);
  }

 private:
  cublasHandle_t handle_ = nullptr;
};

/// An operand in rows, transposed on reading where asked: its first number, and how far the next entry of a batch is.
template <class T>
struct BlasOperand {
  T* data;
  std::int64_t stride = 0;
  bool transposed = false;
};

/// c = op(a) op(b), or c + op(a) op(b), for `count` entries: (m, k) · (k, n) → (m, n) in rows. All sizes above 0.
template <Real T>
void gemm(std::int64_t count, std::int64_t m, std::int64_t n, std::int64_t k, const BlasOperand<const T>& a,
          const BlasOperand<const T>& b, const BlasOperand<T>& c, bool accumulate = false) {
  // To cuBLAS rows are columns: cᵀ = op(b)ᵀ op(a)ᵀ, and what it calls b's leading dimension is the length of b's rows.
  const cublasOperation_t op_a = a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                          op_b = b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  const std::int64_t row_a = a.transposed ? m : k, row_b = b.transposed ? k : n;
  const T one = T(1), beta = accumulate ? T(1) : T(0);
  const Workspace workspace(Blas::workspace_bytes(count * m * n, sizeof(T)));
  const cublasHandle_t handle = library_handle<Blas>().with(workspace);
  const auto sizes = [&] { return cat(" of ", count, " (", m, ", ", k, ") · (", k, ", ", n, ")"); };
  cublasStatus_t s;
  if (count == 1) {
    const auto call = [&] {
      if constexpr (std::is_same_v<T, float>) return cublasSgemm_64;
      else return cublasDgemm_64;
    }();
    s = call(handle, op_b, op_a, n, m, k, &one, b.data, row_b, a.data, row_a, &beta, c.data, n);
  } else {
    const auto call = [&] {
      if constexpr (std::is_same_v<T, float>) return cublasSgemmStridedBatched_64;
      else return cublasDgemmStridedBatched_64;
    }();
    s = call(handle, op_b, op_a, n, m, k, &one, b.data, row_b, b.stride, a.data, row_a, a.stride, &beta, c.data, n,
             c.stride, count);
  }
  if (s != CUBLAS_STATUS_SUCCESS) [[unlikely]]
    check_blas(s, std::is_same_v<T, float> ? "cublasSgemm" : "cublasDgemm", sizes());
}

}  // namespace tenzo::cuda::detail
