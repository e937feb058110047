// Kernels that each have a fault which kernel_budget must find: `kernel_budget --self-test` compiles this file, and
// fails where the finding after "fault:" is missing, or where a kernel without such a line has a finding. They bear
// names of real kernels, since what is expected of a kernel goes by its name.
#include "device.hpp"

namespace tenzo::cuda::detail {

/// sound
template <class T, int width>
struct AdamKernel {
  static constexpr int max_threads = 256;
  const T* x;
  T* y;
  TENZO_DEVICE void operator()() const {
    store<width>(y + thread_in_grid() * width, load<width>(x + thread_in_grid() * width));
  }
};

/// fault: loads 4 bytes at once
template <class T, int width>
struct MomentumKernel {
  static constexpr int max_threads = 256;
  const T* x;
  T* y;
  TENZO_DEVICE void operator()() const {
    Pack<T, width> v;
    for (int i = 0; i < width; ++i) v[i] = load(x + thread_in_grid() * (width + 1) + i);
    store<width>(y + thread_in_grid() * width, v);
  }
};

/// fault: stores 4 bytes at once
template <class T, int width, class F>
struct GatedKernel {
  static constexpr int max_threads = 256;
  const T* x;
  T* y;
  TENZO_DEVICE void operator()() const {
    const auto v = load<width>(x + thread_in_grid() * width);
    for (int i = 0; i < width; ++i) store(y + thread_in_grid() * (width + 1) + i, v[i]);
  }
};

/// fault: computes in double
template <class T>
struct GatherKernel {
  static constexpr int max_threads = 256;
  T* y;
  TENZO_DEVICE void operator()() const { store(y + thread_in_grid(), T(load<T>(y) * 0.1)); }
};

/// fault: has local memory in PTX
template <class T>
struct ChooseKernel {
  static constexpr int max_threads = 256;
  T* y;
  TENZO_DEVICE void operator()() const {
    T v[16];
    for (int i = 0; i < 16; ++i) v[i] = load<T>(y + i);
    store(y + thread_in_grid(), v[int(load<T>(y)) & 15]);
  }
};

/// fault: spills
template <class T>
struct CopyKernel {
  static constexpr int max_threads = 1024, min_blocks = 2;
  T* y;
  TENZO_DEVICE void operator()() const {
    T v[64];
    TENZO_UNROLL
    for (int i = 0; i < 64; ++i) v[i] = load<T>(y + i * threads_of_grid());
    __syncthreads();
    TENZO_UNROLL
    for (int i = 0; i < 64; ++i) store(y + thread_in_grid() + i * threads_of_grid(), v[i] * v[(i + 32) % 64]);
  }
};

/// fault: accesses memory of any kind
template <class T>
struct FillKernel {
  static constexpr int max_threads = 256;
  T* y;
  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T*, to);
    if (threadIdx.x == 0) to = y;
    __syncthreads();
    store(to + thread_in_grid(), T(0));
  }
};

/// fault: is not in ACCESSES
template <class T>
struct NamelessKernel {
  static constexpr int max_threads = 256;
  T* y;
  TENZO_DEVICE void operator()() const { store(y + thread_in_grid(), T(0)); }
};

/// fault: and no reason
template <class T>
struct DotKernel {
  static constexpr int max_threads = 256;
  T* y;
  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(T, part, [12000]);
    part[threadIdx.x] = load<T>(y + thread_in_grid());
    __syncthreads();
    store(y + thread_in_grid(), part[255 - threadIdx.x]);
  }
};

/// fault: and no reason
struct PickDigitKernel {
  static constexpr int max_threads = 512;
  float* y;
  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, part, [12000]);
    TENZO_DYNAMIC_SHARED(float, more);
    more[threadIdx.x] = part[threadIdx.x] = load<float>(y + thread_in_grid());
    __syncthreads();
    store(y + thread_in_grid(), part[511 - threadIdx.x] + more[511 - threadIdx.x]);
  }
};

struct Nothing {};
#define TENZO_ENTRY(...) template __global__ void kernel_entry<__VA_ARGS__>(const __grid_constant__ __VA_ARGS__);
TENZO_ENTRY(AdamKernel<float, 4>)
TENZO_ENTRY(MomentumKernel<float, 4>)
TENZO_ENTRY(GatedKernel<float, 4, Nothing>)
TENZO_ENTRY(GatherKernel<float>)
TENZO_ENTRY(ChooseKernel<float>)
TENZO_ENTRY(CopyKernel<float>)
TENZO_ENTRY(FillKernel<float>)
TENZO_ENTRY(NamelessKernel<float>)
TENZO_ENTRY(DotKernel<float>)
TENZO_ENTRY(PickDigitKernel)

}  // namespace tenzo::cuda::detail
