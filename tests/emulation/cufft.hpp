// cuFFT for the emulation: the names that kernels/fft.cuh uses. It refuses what the library refuses, and what the
// library leaves undefined; it computes each number by its definition, in double, when the stream comes to it.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "library.hpp"

enum cufftResult {
  CUFFT_SUCCESS = 0,
  CUFFT_INVALID_PLAN = 1,
  CUFFT_ALLOC_FAILED = 2,
  CUFFT_INVALID_TYPE = 3,
  CUFFT_INVALID_VALUE = 4,
  CUFFT_INTERNAL_ERROR = 5,
  CUFFT_EXEC_FAILED = 6,
  CUFFT_SETUP_FAILED = 7,
  CUFFT_INVALID_SIZE = 8,
};
enum cufftType {
  CUFFT_R2C = 0x2a,
  CUFFT_C2R = 0x2c,
  CUFFT_C2C = 0x29,
  CUFFT_D2Z = 0x6a,
  CUFFT_Z2D = 0x6c,
  CUFFT_Z2Z = 0x69,
};
enum { CUFFT_FORWARD = -1, CUFFT_INVERSE = 1 };
using cufftHandle = int;
using cufftReal = float;
using cufftDoubleReal = double;
struct cufftComplex {
  float x, y;
};
struct cufftDoubleComplex {
  double x, y;
};

namespace tenzo::emulation {

/// Where the numbers of a side of a plan lie: (i, j) of transform b at b · distance + (i · pitch + j) · stride.
struct FftLayout {
  std::int64_t pitch = 0, stride = 0, distance = 0;

  std::int64_t at(std::int64_t b, std::int64_t i, std::int64_t j) const {
    return b * distance + (i * pitch + j) * stride;
  }
};

struct FftPlan {
  CUstream_st* stream = nullptr;
  void* work_area = nullptr;
  bool allocates = true, made = false;
  std::int64_t rows = 1, cols = 1, batch = 0;
  FftLayout in, out;
  cufftType type = CUFFT_C2C;

  static constexpr std::size_t workspace = 512;

  bool from_real() const { return type == CUFFT_R2C || type == CUFFT_D2Z; }
  bool to_real() const { return type == CUFFT_C2R || type == CUFFT_Z2D; }
  /// Numbers of a row on either side.
  std::int64_t cols_in() const { return to_real() ? cols / 2 + 1 : cols; }
  std::int64_t cols_out() const { return from_real() ? cols / 2 + 1 : cols; }

  static std::complex<double> root(std::int64_t k, std::int64_t n, int direction) {
    return std::polar(1.0, direction * 2 * M_PI * double(k % n) / double(n));
  }

  /// All transforms, each number by its definition.
  template <class T>
  void run(const T* x, T* y, int direction) const {
    std::vector<std::complex<double>> line(std::size_t(rows * cols)), turned(line.size());
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < cols; ++j) {
          const T* const p = x + 2 * in.at(b, i, j);
          line[std::size_t(i * cols + j)] = {double(p[0]), double(p[1])};
        }
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t k = 0; k < cols; ++k) {
          std::complex<double> sum = 0;
          for (std::int64_t j = 0; j < cols; ++j) sum += line[std::size_t(i * cols + j)] * root(j * k, cols, direction);
          turned[std::size_t(i * cols + k)] = sum;
        }
      for (std::int64_t k = 0; k < rows; ++k)
        for (std::int64_t j = 0; j < cols; ++j) {
          std::complex<double> sum = 0;
          for (std::int64_t i = 0; i < rows; ++i)
            sum += turned[std::size_t(i * cols + j)] * root(i * k, rows, direction);
          T* const p = y + 2 * out.at(b, k, j);
          p[0] = T(sum.real()), p[1] = T(sum.imag());
        }
    }
  }
  template <class T>
  void run_from_real(const T* x, T* y) const {
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t k = 0; k < cols_out(); ++k) {
        std::complex<double> sum = 0;
        for (std::int64_t j = 0; j < cols; ++j) sum += double(x[in.at(b, 0, j)]) * root(j * k, cols, CUFFT_FORWARD);
        T* const p = y + 2 * out.at(b, 0, k);
        p[0] = T(sum.real()), p[1] = T(sum.imag());
      }
  }
  /// What is left open comes as NaN: of numbers that no real ones have for their spectrum, and what x holds after it.
  template <class T>
  void run_to_real(T* x, T* y) const {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    for (std::int64_t b = 0; b < batch; ++b) {
      const auto number = [&](std::int64_t k) { return x + 2 * in.at(b, 0, k); };
      const auto alone = [&](std::int64_t k) { return k == 0 || 2 * k == cols; };  // and not one of two conjugates
      bool defined = true;
      for (std::int64_t k = 0; k < cols_in(); ++k) defined &= !alone(k) || number(k)[1] == 0;
      for (std::int64_t j = 0; j < cols; ++j) {
        double sum = 0;
        for (std::int64_t k = 0; k < cols_in(); ++k) {
          const std::complex<double> z(number(k)[0], number(k)[1]);
          sum += (alone(k) ? 1 : 2) * (z * root(j * k, cols, CUFFT_INVERSE)).real();
        }
        y[out.at(b, 0, j)] = defined ? T(sum) : nan;
      }
      for (std::int64_t k = 0; k < cols_in(); ++k) number(k)[0] = number(k)[1] = nan;
    }
  }
};

inline std::map<cufftHandle, FftPlan>& fft_plans() {
  static auto* const all = new std::map<cufftHandle, FftPlan>;
  return *all;
}
inline FftPlan* find_fft_plan(cufftHandle h) {
  const auto at = fft_plans().find(h);
  return at == fft_plans().end() ? nullptr : &at->second;
}
inline cufftResult no_fft_plan(const char* call) {
  return refuse_call(CUFFT_INVALID_PLAN, call, ": not a plan, or destroyed");
}

/// run(plan) when the stream comes to it, from x to y.
template <class Complex, class X, class Y, class F>
cufftResult execute_fft(const char* name, cufftHandle h, cufftType type, const X* x, Y* y, F&& run) {
  const Call call;
  const FftPlan* const p = find_fft_plan(h);
  if (!p || !p->made || p->type != type) return refuse_call(CUFFT_INVALID_PLAN, name, ": not a plan of this type");
  CUstream_st* const stream = find_stream(p->stream);
  if (!stream) return refuse_call(CUFFT_EXEC_FAILED, name, ": its stream was destroyed");
  const auto reach = [&](const FftLayout& l, std::int64_t cols, std::size_t size) {
    return std::size_t(l.at(p->batch - 1, p->rows - 1, cols - 1) + 1) * size;
  };
  const std::size_t read = reach(p->in, p->cols_in(), sizeof(X)), written = reach(p->out, p->cols_out(), sizeof(Y));
  if (!aligned_to(x, sizeof(Complex)) || !aligned_to(y, sizeof(Complex)))  // real numbers, too
    return refuse_call(CUFFT_INVALID_VALUE, name, ": not aligned to a complex number");
  if (!owned_by_device(x, read) || !owned_by_device(y, written))
    return refuse_call(CUFFT_INVALID_VALUE, name, ": the numbers are not memory of the device");
  if (!p->allocates && !owned_by_device(p->work_area, FftPlan::workspace))
    return refuse_call(CUFFT_EXEC_FAILED, name, ": no work area");
  if (static_cast<const void*>(x) == y && (p->in.stride != p->out.stride || p->in.distance != p->out.distance))
    return refuse_call(CUFFT_INVALID_VALUE, name, ": in place with another layout");
  on_stream(*stream, {p->work_area, p->work_area ? FftPlan::workspace : 0}, {{x, read}}, {y, written},
            [plan = *p, run] { run(plan); });
  return CUFFT_SUCCESS;
}
template <class T, class Complex>
cufftResult execute_complex_fft(const char* name, cufftHandle h, cufftType type, const Complex* x, Complex* y,
                                int direction) {
  if (direction != CUFFT_FORWARD && direction != CUFFT_INVERSE)
    return refuse_call(CUFFT_INVALID_VALUE, name, ": direction");
  return execute_fft<Complex>(name, h, type, x, y, [=](const FftPlan& plan) {
    plan.run<T>(reinterpret_cast<const T*>(x), reinterpret_cast<T*>(y), direction);
  });
}
template <class T, class Complex>
cufftResult execute_fft_from_real(const char* name, cufftHandle h, cufftType type, const T* x, Complex* y) {
  return execute_fft<Complex>(name, h, type, x, y,
                              [=](const FftPlan& plan) { plan.run_from_real<T>(x, reinterpret_cast<T*>(y)); });
}
template <class T, class Complex>
cufftResult execute_fft_to_real(const char* name, cufftHandle h, cufftType type, Complex* x, T* y) {
  return execute_fft<Complex>(name, h, type, x, y,
                              [=](const FftPlan& plan) { plan.run_to_real<T>(reinterpret_cast<T*>(x), y); });
}

}  // namespace tenzo::emulation

inline cufftResult cufftCreate(cufftHandle* h) {
  const tenzo::emulation::Call call;
  static int made = 0;
  tenzo::emulation::fft_plans()[*h = ++made];
  return CUFFT_SUCCESS;
}
inline cufftResult cufftDestroy(cufftHandle h) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::fft_plans().erase(h) ? CUFFT_SUCCESS : tenzo::emulation::no_fft_plan("cufftDestroy");
}
inline cufftResult cufftSetAutoAllocation(cufftHandle h, int on) {
  const tenzo::emulation::Call call;
  tenzo::emulation::FftPlan* const p = tenzo::emulation::find_fft_plan(h);
  if (!p || p->made) return tenzo::emulation::no_fft_plan("cufftSetAutoAllocation");
  p->allocates = on != 0;
  return CUFFT_SUCCESS;
}
inline cufftResult cufftSetStream(cufftHandle h, cudaStream_t s) {
  const tenzo::emulation::Call call;
  tenzo::emulation::FftPlan* const p = tenzo::emulation::find_fft_plan(h);
  if (!p) return tenzo::emulation::no_fft_plan("cufftSetStream");
  p->stream = s;
  return CUFFT_SUCCESS;
}
inline cufftResult cufftSetWorkArea(cufftHandle h, void* area) {
  using namespace tenzo::emulation;
  const Call call;
  FftPlan* const p = find_fft_plan(h);
  if (!p || !p->made) return no_fft_plan("cufftSetWorkArea");
  if (!owned_by_device(area, FftPlan::workspace))
    return refuse_call(CUFFT_INVALID_VALUE, "cufftSetWorkArea: not ", FftPlan::workspace, " bytes of the device");
  p->work_area = area;
  return CUFFT_SUCCESS;
}
inline cufftResult cufftMakePlanMany64(cufftHandle h, int rank, long long* n, long long* in_embed, long long in_stride,
                                       long long in_distance, long long* out_embed, long long out_stride,
                                       long long out_distance, cufftType type, long long batch, std::size_t* bytes) {
  using namespace tenzo::emulation;
  const Call call;
  const auto wrong = [](const auto&... why) {
    return refuse_call(CUFFT_INVALID_VALUE, "cufftMakePlanMany64: ", why...);
  };
  FftPlan* const p = find_fft_plan(h);
  if (!p || p->made) return no_fft_plan("cufftMakePlanMany64");
  bool known = false;
  for (const cufftType t : {CUFFT_R2C, CUFFT_C2R, CUFFT_C2C, CUFFT_D2Z, CUFFT_Z2D, CUFFT_Z2Z}) known |= type == t;
  if (!known) return refuse_call(CUFFT_INVALID_TYPE, "cufftMakePlanMany64: type");
  const int most = type == CUFFT_C2C || type == CUFFT_Z2Z ? 2 : 1;
  if (rank < 1 || rank > most || !n || !bytes) return wrong("rank ", rank, ", of which ", most, " are known here");
  for (int i = 0; i < rank; ++i)
    if (n[i] < 1) return refuse_call(CUFFT_INVALID_SIZE, "cufftMakePlanMany64: an axis of ", n[i]);
  if (batch < 1) return refuse_call(CUFFT_INVALID_SIZE, "cufftMakePlanMany64: a batch of ", batch);
  if (!in_embed || !out_embed) return wrong("without embeddings, strides would be ignored");
  for (int i = 1; i < rank; ++i)
    if (in_embed[i] < n[i] || out_embed[i] < n[i]) return wrong("an embedding is smaller than its axis");
  if (in_stride < 1 || out_stride < 1 || in_distance < 0 || out_distance < 0) return wrong("a stride or distance");
  p->rows = rank == 2 ? n[0] : 1, p->cols = n[rank - 1], p->batch = batch;
  p->in = {in_embed[rank - 1], in_stride, in_distance}, p->out = {out_embed[rank - 1], out_stride, out_distance};
  p->type = type, p->made = true;
  *bytes = FftPlan::workspace;
  return CUFFT_SUCCESS;
}
inline cufftResult cufftExecC2C(cufftHandle h, cufftComplex* x, cufftComplex* y, int direction) {
  return tenzo::emulation::execute_complex_fft<float>("cufftExecC2C", h, CUFFT_C2C, x, y, direction);
}
inline cufftResult cufftExecZ2Z(cufftHandle h, cufftDoubleComplex* x, cufftDoubleComplex* y, int direction) {
  return tenzo::emulation::execute_complex_fft<double>("cufftExecZ2Z", h, CUFFT_Z2Z, x, y, direction);
}
inline cufftResult cufftExecR2C(cufftHandle h, cufftReal* x, cufftComplex* y) {
  return tenzo::emulation::execute_fft_from_real<float>("cufftExecR2C", h, CUFFT_R2C, x, y);
}
inline cufftResult cufftExecD2Z(cufftHandle h, cufftDoubleReal* x, cufftDoubleComplex* y) {
  return tenzo::emulation::execute_fft_from_real<double>("cufftExecD2Z", h, CUFFT_D2Z, x, y);
}
inline cufftResult cufftExecC2R(cufftHandle h, cufftComplex* x, cufftReal* y) {
  return tenzo::emulation::execute_fft_to_real<float>("cufftExecC2R", h, CUFFT_C2R, x, y);
}
inline cufftResult cufftExecZ2D(cufftHandle h, cufftDoubleComplex* x, cufftDoubleReal* y) {
  return tenzo::emulation::execute_fft_to_real<double>("cufftExecZ2D", h, CUFFT_Z2D, x, y);
}
