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

/// From complex numbers to complex ones, from real ones to half a spectrum, and from that to real ones.
enum class FftKind { complex, real_forward, real_back };

/// Transforms of `rows` x `cols` numbers (rows 0: of one axis), `batch` of them: number j of one is at first + stride ·
/// j, and the next one begins `distance` further; real ones are of one axis and lie side by side, as their halves do.
struct FftSizes {
  std::int64_t rows, cols, stride, distance, batch;
  bool single;
  FftKind kind = FftKind::complex;
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
    T* const from = const_cast<T*>(x);  // only read, unless it is y
    const int direction = inverse ? CUFFT_INVERSE : CUFFT_FORWARD;
    with_workspace([&] {
      if constexpr (std::is_same_v<T, float>)
        check_fft(
            cufftExecC2C(handle_, reinterpret_cast<cufftComplex*>(from), reinterpret_cast<cufftComplex*>(y), direction),
            "cufftExecC2C", sizes_);
      else
        check_fft(cufftExecZ2Z(handle_, reinterpret_cast<cufftDoubleComplex*>(from),
                               reinterpret_cast<cufftDoubleComplex*>(y), direction),
                  "cufftExecZ2Z", sizes_);
    });
  }
  /// From real x to complex y.
  template <class T>
  void run_forward(const T* x, T* y) const {
    T* const from = const_cast<T*>(x);  // only read
    with_workspace([&] {
      if constexpr (std::is_same_v<T, float>)
        check_fft(cufftExecR2C(handle_, from, reinterpret_cast<cufftComplex*>(y)), "cufftExecR2C", sizes_);
      else check_fft(cufftExecD2Z(handle_, from, reinterpret_cast<cufftDoubleComplex*>(y)), "cufftExecD2Z", sizes_);
    });
  }
  /// From complex y, which may be written to, to real x.
  template <class T>
  void run_back(T* y, T* x) const {
    with_workspace([&] {
      if constexpr (std::is_same_v<T, float>)
        check_fft(cufftExecC2R(handle_, reinterpret_cast<cufftComplex*>(y), x), "cufftExecC2R", sizes_);
      else check_fft(cufftExecZ2D(handle_, reinterpret_cast<cufftDoubleComplex*>(y), x), "cufftExecZ2D", sizes_);
    });
  }

 private:
  template <class F>
  void with_workspace(F&& execute) const {
    const Workspace workspace(workspace_bytes_);
    check_fft(cufftSetStream(handle_, cuda::current_stream()), "cufftSetStream", sizes_);
    if (workspace_bytes_ > 0) check_fft(cufftSetWorkArea(handle_, workspace.data()), "cufftSetWorkArea", sizes_);
    execute();
  }

  void make() {
    const FftSizes& s = sizes_;
    const std::int64_t half = s.cols / 2 + 1;
    const std::int64_t from = s.kind == FftKind::real_back ? half : s.distance;
    const std::int64_t to = s.kind == FftKind::real_forward ? half : s.distance;
    long long n[] = {s.rows, s.cols};
    const int rank = s.rows > 0 ? 2 : 1;
    long long* const extents = n + 2 - rank;
    check_fft(cufftSetAutoAllocation(handle_, 0), "cufftSetAutoAllocation", s);
    check_fft(cufftMakePlanMany64(handle_, rank, extents, extents, s.stride, from, extents, s.stride, to, type(),
                                  s.batch, &workspace_bytes_),
              "cufftMakePlanMany64", s);
  }
  cufftType type() const {
    switch (sizes_.kind) {
      case FftKind::real_forward: return sizes_.single ? CUFFT_R2C : CUFFT_D2Z;
      case FftKind::real_back: return sizes_.single ? CUFFT_C2R : CUFFT_Z2D;
      default: return sizes_.single ? CUFFT_C2C : CUFFT_Z2Z;
    }
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

/// Of real numbers, `lines` of them one after another.
template <class T>
const FftPlan& real_fft_plan(FftKind kind, std::int64_t n, std::int64_t lines) {
  return library_handle<FftPlans>().of({0, n, 1, n, lines, std::is_same_v<T, float>, kind});
}

/// y = scale y, of n numbers.
template <class T>
void scale_numbers(Device device, std::int64_t n, double scale, T* y) {
  if (scale != 1) map(device, n, y, fn::ScaleBy<T>{T(scale)}, static_cast<const T*>(y));
}
/// The same of complex numbers.
template <class T>
void scale_complex(Device device, std::int64_t n, double scale, T* y) {
  scale_numbers(device, 2 * n, scale, y);
}

/// Lines along the middle axis of (outer, n, inner) brought together as (outer, inner, n), and back.
template <class E>
void lines_together(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, const E* x, E* lines) {
  copy_strided(device, Shape{outer, inner, n}, x, {n * inner, 1, inner}, lines, {inner * n, n, 1});
}
template <class E>
void lines_apart(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, const E* lines, E* y) {
  copy_strided(device, Shape{outer, inner, n}, lines, {inner * n, n, 1}, y, {n * inner, 1, inner});
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
    lines_together(device, outer, n, inner, reinterpret_cast<const Complex*>(x), lines.data());
    T* const together = reinterpret_cast<T*>(lines.data());
    fft_plan<T>(0, n, 1, n, outer * inner).run(static_cast<const T*>(together), together, inverse);
    lines_apart(device, outer, n, inner, static_cast<const Complex*>(lines.data()), reinterpret_cast<Complex*>(y));
  }
}

/// Whether real numbers lie as cuFFT wants them: where a complex number could.
template <class T>
bool aligned_as_complex(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (2 * sizeof(T)) == 0;
}

/// Multiplies, of half spectra one after another, the numbers that stand for two of a spectrum of n.
template <class T>
void weigh_inside(Device device, std::int64_t lines, std::int64_t n, double weight, T* y) {
  const std::int64_t numbers = 2 * (n / 2 + 1);
  if (weight == 1 || n < 3) return;
  const DeviceArray<T> weights(numbers);
  fill(device, numbers, weights.data(), T(weight));
  fill(device, 2, weights.data(), T(1));
  if (n % 2 == 0) fill(device, 2, weights.data() + numbers - 2, T(1));
  const Shape shape{lines, numbers};
  map_broadcast(device, shape, y, shape, static_cast<const T*>(y), Shape{numbers},
                static_cast<const T*>(weights.data()), fn::Times{});
}
/// Zeros for the imaginary parts that the spectrum of n real numbers has not: cuFFT leaves open what it makes of them.
template <class T>
void make_ends_real(Device device, std::int64_t lines, std::int64_t n, T* y) {
  const DeviceArray<T> zero(1);
  fill(device, 1, zero.data(), T(0));
  copy_strided(device, Shape{lines, n % 2 ? 1 : 2}, static_cast<const T*>(zero.data()), {0, 0}, y + 1,
               {2 * (n / 2 + 1), n});
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

template <Real T>
void rfft(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside,
          const T* x, T* y) {
  using Complex = Pack<T, 2>;
  const std::int64_t lines = outer * inner, half = n / 2 + 1;
  if (lines == 0) return;
  const bool gather = inner > 1 || !detail::aligned_as_complex(x);
  const DeviceArray<T> numbers(gather ? lines * n : 0);
  const DeviceArray<Complex> spectra(inner > 1 ? lines * half : 0);
  if (gather) detail::lines_together(device, outer, n, inner, x, numbers.data());
  T* const to = inner > 1 ? reinterpret_cast<T*>(spectra.data()) : y;
  if (n == 1) {
    fill(device, 2 * lines, to, T(0));
    copy_strided(device, Shape{lines}, gather ? numbers.data() : x, {1}, to, {2});
  } else {
    detail::real_fft_plan<T>(detail::FftKind::real_forward, n, lines).run_forward(gather ? numbers.data() : x, to);
  }
  detail::scale_complex(device, lines * half, scale, to);
  detail::weigh_inside(device, lines, n, inside, to);
  if (inner > 1)
    detail::lines_apart(device, outer, half, inner, static_cast<const Complex*>(spectra.data()),
                        reinterpret_cast<Complex*>(y));
}

template <Real T>
void irfft(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside,
           const T* y, T* x) {
  using Complex = Pack<T, 2>;
  const std::int64_t lines = outer * inner, half = n / 2 + 1;
  if (lines == 0) return;
  const bool scatter = inner > 1 || !detail::aligned_as_complex(x);
  const DeviceArray<Complex> spectra(lines * half);
  const DeviceArray<T> numbers(scatter ? lines * n : 0);
  T *const from = reinterpret_cast<T*>(spectra.data()), *const to = scatter ? numbers.data() : x;
  detail::lines_together(device, outer, half, inner, reinterpret_cast<const Complex*>(y), spectra.data());
  detail::make_ends_real(device, lines, n, from);
  detail::weigh_inside(device, lines, n, inside / 2, from);  // cuFFT counts these numbers twice
  if (n == 1) copy_strided(device, Shape{lines}, static_cast<const T*>(from), {2}, to, {1});
  else detail::real_fft_plan<T>(detail::FftKind::real_back, n, lines).run_back(from, to);
  detail::scale_numbers(device, lines * n, scale, to);
  if (scatter) detail::lines_apart(device, outer, n, inner, static_cast<const T*>(numbers.data()), x);
}

template <Real T>
void rfft2(Device device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside,
           const T* x, T* y) {
  rfft(device, batch * rows, cols, 1, scale, inside, x, y);
  fft(device, batch, rows, cols / 2 + 1, false, 1, static_cast<const T*>(y), y);
}

template <Real T>
void irfft2(Device device, std::int64_t batch, std::int64_t rows, std::int64_t cols, double scale, double inside,
            const T* y, T* x) {
  const std::int64_t half = cols / 2 + 1;
  const DeviceArray<Pack<T, 2>> spectra(batch * rows * half);
  T* const between = reinterpret_cast<T*>(spectra.data());
  fft(device, batch, rows, half, true, 1, y, between);
  irfft(device, batch * rows, cols, 1, scale, inside, static_cast<const T*>(between), x);
}

}  // namespace tenzo::cuda
