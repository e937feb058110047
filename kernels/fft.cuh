// Discrete Fourier transforms by cuFFT: checked calls, and plans that are made once for their sizes.
#pragma once

#ifdef TENZO_EMULATE_CUDA
#include "emulation/cufft.hpp"
#else
#include <cufft.h>
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <type_traits>

#include "library.hpp"
#include "loops.cuh"
#include "memory.cuh"
#include "tenzo/cuda/fft.hpp"
#include "tenzo/ops/functions.hpp"

namespace tenzo::cuda {

namespace detail {

/// Complex transforms of `rows` x `cols` numbers (rows 0: of one axis), `batch` of them: number j of one is at
/// first + stride · j, and the next one begins `distance` further.
struct FftSizes {
  std::int64_t rows, cols, stride, distance, batch;
  bool single;
  auto operator<=>(const FftSizes&) const = default;
};

inline const char* fft_status(cufftResult s) {
  switch (s) {
    case CUFFT_SUCCESS: return "CUFFT_SUCCESS";
    case CUFFT_INVALID_PLAN: return "CUFFT_INVALID_PLAN";
    case CUFFT_ALLOC_FAILED: return "CUFFT_ALLOC_FAILED";
    case CUFFT_INVALID_TYPE: return "CUFFT_INVALID_TYPE";
    case CUFFT_INVALID_VALUE: return "CUFFT_INVALID_VALUE";
    case CUFFT_INTERNAL_ERROR: return "CUFFT_INTERNAL_ERROR";
    case CUFFT_EXEC_FAILED: return "CUFFT_EXEC_FAILED";
    case CUFFT_SETUP_FAILED: return "CUFFT_SETUP_FAILED";
    case CUFFT_INVALID_SIZE: return "CUFFT_INVALID_SIZE";
    default: return "an error";
  }
}
inline void check_fft(cufftResult s, const char* call, const FftSizes& n) {
  if (s != CUFFT_SUCCESS) [[unlikely]]
    throw LibraryError(cat(call, " of ", n.batch, " transforms of (", std::max<std::int64_t>(1, n.rows), ", ", n.cols,
                           "), stride ", n.stride, ": ", fft_status(s), " (", int(s), ')'));
}

/// A plan without memory of its own: each call brings some.
class FftPlan {
 public:
  explicit FftPlan(const FftSizes& n) : sizes_(n) {
    check_fft(cufftCreate(&handle_), "cufftCreate", n);
    try {
      make();
    } catch (...) {
      cufftDestroy(handle_);
      throw;
    }
  }
  FftPlan(const FftPlan&) = delete;
  FftPlan& operator=(const FftPlan&) = delete;
  ~FftPlan() { cufftDestroy(handle_); }

  template <class T>
  void run(const T* x, T* y, bool inverse) const {
    const Workspace workspace(workspace_bytes_);
    const int direction = inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
    check_fft(cufftSetStream(handle_, cuda::current_stream()), "cufftSetStream", sizes_);
    if (workspace_bytes_ > 0) check_fft(cufftSetWorkArea(handle_, workspace.data()), "cufftSetWorkArea", sizes_);
    T* const from = const_cast<T*>(x);  // only read, unless it is y
    if constexpr (std::is_same_v<T, float>)
      check_fft(
          cufftExecC2C(handle_, reinterpret_cast<cufftComplex*>(from), reinterpret_cast<cufftComplex*>(y), direction),
          "cufftExecC2C", sizes_);
    else
      check_fft(cufftExecZ2Z(handle_, reinterpret_cast<cufftDoubleComplex*>(from),
                             reinterpret_cast<cufftDoubleComplex*>(y), direction),
                "cufftExecZ2Z", sizes_);
  }

 private:
  void make() {
    const FftSizes& s = sizes_;
    long long n[] = {s.rows, s.cols};
    const int rank = s.rows > 0 ? 2 : 1;
    long long* const extents = n + 2 - rank;
    check_fft(cufftSetAutoAllocation(handle_, 0), "cufftSetAutoAllocation", s);
    check_fft(cufftMakePlanMany64(handle_, rank, extents, extents, s.stride, s.distance, extents, s.stride, s.distance,
                                  s.single ? CUFFT_C2C : CUFFT_Z2Z, s.batch, &workspace_bytes_),
              "cufftMakePlanMany64", s);
  }

  FftSizes sizes_;
  cufftHandle handle_{};
  std::size_t workspace_bytes_ = 0;
};

/// The plans of a thread and device. Use `library_handle<FftPlans>()`.
class FftPlans {
 public:
  const FftPlan& of(const FftSizes& n) {
    constexpr std::size_t most = 64;  // with tables in memory of the device
    if (const auto at = plans_.find(n); at != plans_.end()) return at->second;
    if (plans_.size() >= most) plans_.clear();
    return plans_.try_emplace(n, n).first->second;
  }

 private:
  std::map<FftSizes, FftPlan> plans_;
};

template <class T>
const FftPlan& fft_plan(std::int64_t rows, std::int64_t cols, std::int64_t stride, std::int64_t distance,
                        std::int64_t batch) {
  return library_handle<FftPlans>().of({rows, cols, stride, distance, batch, std::is_same_v<T, float>});
}

/// y = scale y, of complex numbers.
template <class T>
void scale_complex(Device device, std::int64_t n, double scale, T* y) {
  if (scale != 1) map(device, 2 * n, y, fn::ScaleBy<T>{T(scale)}, static_cast<const T*>(y));
}

/// Around which axis the numbers of a transform are apart in memory and transforms are in two loops: cuFFT knows one,
/// so that the shorter is calls; where both are long, lines are brought together and back.
template <class T>
void fft_between(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, const T* x,
                 T* y) {
  constexpr std::int64_t most_calls = 8;
  const std::int64_t plane = 2 * n * inner;
  if (outer <= std::min(inner, most_calls)) {
    const FftPlan& plan = fft_plan<T>(0, n, inner, 1, inner);
    for (std::int64_t o = 0; o < outer; ++o) plan.run(x + o * plane, y + o * plane, inverse);
  } else if (inner <= most_calls) {
    const FftPlan& plan = fft_plan<T>(0, n, inner, n * inner, outer);
    for (std::int64_t i = 0; i < inner; ++i) plan.run(x + 2 * i, y + 2 * i, inverse);
  } else {
    using Complex = Pack<T, 2>;
    const DeviceArray<Complex> lines(outer * n * inner);
    const Shape shape{outer, inner, n};
    const Strides along{inner * n, n, 1}, across{n * inner, 1, inner};
    copy_strided(device, shape, reinterpret_cast<const Complex*>(x), across, lines.data(), along);
    T* const together = reinterpret_cast<T*>(lines.data());
    fft_plan<T>(0, n, 1, n, outer * inner).run(static_cast<const T*>(together), together, inverse);
    copy_strided(device, shape, static_cast<const Complex*>(lines.data()), along, reinterpret_cast<Complex*>(y),
                 across);
  }
}

}  // namespace detail

template <Real T>
void fft(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale, const T* x,
         T* y) {
  if (outer * n * inner == 0) return;
  if (n == 1) return map(device, 2 * outer * inner, y, fn::ScaleBy<T>{T(scale)}, x);
  if (inner == 1) detail::fft_plan<T>(0, n, 1, n, outer).run(x, y, inverse);
  else detail::fft_between(device, outer, n, inner, inverse, x, y);
  detail::scale_complex(device, outer * n * inner, scale, y);
}

template <Real T>
void fft2(Device device, std::int64_t batch, std::int64_t rows, std::int64_t cols, bool inverse, double scale,
          const T* x, T* y) {
  if (batch * rows * cols == 0) return;
  if (rows == 1 || cols == 1) return fft(device, batch, rows * cols, 1, inverse, scale, x, y);
  detail::fft_plan<T>(rows, cols, 1, rows * cols, batch).run(x, y, inverse);
  detail::scale_complex(device, batch * rows * cols, scale, y);
}

}  // namespace tenzo::cuda
