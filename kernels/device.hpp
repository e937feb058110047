// The dialect that kernels are written in: one source for nvcc and, under TENZO_EMULATE_CUDA, for any C++ compiler.
//
// A kernel is a struct. Its members are the arguments, and its call is what one thread does:
//
//     template <class T>
//     struct Scale {
//       const T* x;
//       T* y;
//       std::int64_t n;
//       float by;
//       static constexpr int max_threads = 256;  // of a block
//
//       TENZO_DEVICE void operator()() const {
//         for (std::int64_t i = thread_in_grid(); i < n; i += threads_of_grid()) store(y + i, T(by * load(x + i)));
//       }
//     };
//
//     if (n > 0) launch(Scale<float>{x, y, n, 2.0f}, blocks_for(n, 256), 256);
//
// Beside CUDA's own names (threadIdx, __syncthreads, __shfl_xor_sync, atomicAdd, float4, …), std:: mathematics and
// tenzo's element types, kernels use what is below. They reach every barrier with all threads of a block, name in a
// mask only lanes that come, and have no inline PTX.
#pragma once

#if defined(__CUDACC__) || defined(TENZO_EMULATE_CUDA)

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "runtime.hpp"

#ifdef TENZO_EMULATE_CUDA

#define TENZO_DEVICE
#define TENZO_HOST_DEVICE
#define TENZO_UNROLL
#define TENZO_NO_UNROLL
#define TENZO_SHARED(type, name, ...) auto& name = ::tenzo::emulation::shared_array<type __VA_ARGS__>([] {})
#define TENZO_DYNAMIC_SHARED(type, name) type* const name = ::tenzo::emulation::dynamic_shared<type>()

#else

/// What runs on the device, and on both.
#define TENZO_DEVICE __device__
#define TENZO_HOST_DEVICE __host__ __device__
/// Before a loop with a number of steps that the compiler knows.
#define TENZO_UNROLL _Pragma("unroll")
/// Before a loop that is to stay one, for the sake of registers.
#define TENZO_NO_UNROLL _Pragma("unroll 1")
/// An array of the block: TENZO_SHARED(float, tile, [16][17]); without extents one element. Not initialised, whatever
/// the type's constructor says; it is made of bytes since CUDA refuses types that have one. Aligned to 16 bytes, since
/// the compiler may join accesses to that.
#define TENZO_SHARED(type, name, ...)                                                        \
  alignas(type) alignas(16) __shared__ unsigned char name##_bytes[sizeof(type __VA_ARGS__)]; \
  auto& name = reinterpret_cast<std::type_identity_t<type __VA_ARGS__>&>(name##_bytes)
/// The block's one dynamic array, aligned to 16 bytes, as a pointer: as many bytes as the launch says.
#define TENZO_DYNAMIC_SHARED(type, name)                        \
  extern __shared__ __align__(16) unsigned char tenzo_shared[]; \
  type* const name = reinterpret_cast<type*>(tenzo_shared)

#endif

namespace tenzo::cuda {

inline constexpr int warp_threads = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;

// ── where a thread is ────────────────────────────────────────────────────────────────────────────────────────────────

/// In its block, along x. A block has at most 1024 threads, and an int that is known not to be negative is halved by a
/// shift: of any other, a division or a remainder takes several instructions, and registers.
TENZO_DEVICE inline int thread_in_block() { return int(threadIdx.x & 1023u); }
/// In its grid, along x, in 64 bits.
TENZO_DEVICE inline std::int64_t thread_in_grid() { return std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
TENZO_DEVICE inline std::int64_t threads_of_grid() { return std::int64_t(gridDim.x) * blockDim.x; }

// ── memory of the device ─────────────────────────────────────────────────────────────────────────────────────────────
// Kernels read and write it through load and store: one access each, for nvcc nothing else. The emulation checks the
// address and counts the bytes.

/// N elements that are loaded and stored at once, at most 16 bytes for one access.
template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
  static_assert((N & (N - 1)) == 0, "a pack has a power of two of elements");
  T values[N];

  TENZO_HOST_DEVICE constexpr T& operator[](int i) { return values[i]; }
  TENZO_HOST_DEVICE constexpr const T& operator[](int i) const { return values[i]; }
};

#ifdef TENZO_EMULATE_CUDA
using emulation::note_load;
using emulation::note_store;
using emulation::Site;
#else
struct Site {
  TENZO_DEVICE static constexpr Site current() { return {}; }
};
TENZO_DEVICE inline void note_load(const void*, std::size_t, std::size_t, Site) {}
TENZO_DEVICE inline void note_store(const void*, std::size_t, std::size_t, Site) {}
#endif

/// *p. Also of float4 and the like.
template <class T>
TENZO_DEVICE T load(const T* p, Site where = Site::current()) {
  note_load(p, sizeof(T), alignof(T), where);
  return *p;
}
/// p[0 … N): load<4>(x + i). The address is a multiple of the pack's alignment.
template <int N, class T>
TENZO_DEVICE Pack<T, N> load(const T* p, Site where = Site::current()) {
  note_load(p, sizeof(Pack<T, N>), alignof(Pack<T, N>), where);
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
/// *p = v.
template <class T>
TENZO_DEVICE void store(T* p, std::type_identity_t<T> v, Site where = Site::current()) {
  note_store(p, sizeof(T), alignof(T), where);
  *p = v;
}
/// p[0 … N) = v, with an address as for load.
template <int N, class T>
TENZO_DEVICE void store(T* p, const Pack<T, N>& v, Site where = Site::current()) {
  note_store(p, sizeof v, alignof(Pack<T, N>), where);
  *reinterpret_cast<Pack<T, N>*>(p) = v;
}
/// The same by the instruction's name, for 16 bytes beside a branch that stores them one by one: the compiler may take
/// the other store apart and join the branches.
template <int N, class T>
TENZO_DEVICE void store_at_once(T* p, const Pack<T, N>& v, Site where = Site::current()) {
#ifdef __CUDA_ARCH__
  if constexpr (sizeof v == 16) return __stwb(reinterpret_cast<float4*>(p), std::bit_cast<float4>(v));
#endif
  store<N>(p, v, where);
}
/// p, of which the compiler is told that it is global memory: of pointers that were read from memory it can not know.
template <class T>
TENZO_DEVICE T* in_global_memory(T* p) {
#ifdef __CUDA_ARCH__
  __builtin_assume(__isGlobal(p));
#endif
  return p;
}
/// Whether N elements at p can be loaded and stored at once.
template <int N, class T>
TENZO_HOST_DEVICE bool is_aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % alignof(Pack<T, N>) == 0;
}

// ── launches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// A struct that can be launched: arguments that are bytes, at most 4096 of them, a bound on the threads of a block,
/// and a call.
template <class K>
concept Kernel =
    std::is_trivially_copyable_v<K> && sizeof(K) <= 4096 && K::max_threads >= 1 && K::max_threads <= 1024 &&
    requires(const K& k) {
  k();
};

/// A launch that CUDA refuses. The text names the kernel and the geometry.
struct LaunchError : DeviceError {
  using DeviceError::DeviceError;
};

/// Numbers of blocks or threads, in 64 bits: nothing wraps before it is checked.
struct Extents {
  std::int64_t x = 1, y = 1, z = 1;

  constexpr Extents(std::int64_t x_, std::int64_t y_ = 1, std::int64_t z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr bool within(std::int64_t a, std::int64_t b, std::int64_t c) const {
    return x >= 1 && y >= 1 && z >= 1 && x <= a && y <= b && z <= c;
  }
  constexpr operator dim3() const { return {unsigned(x), unsigned(y), unsigned(z)}; }
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0); }

/// Blocks of `per_block` elements for n of them; 0 for none, which is not to be launched. At most `most`, where the
/// kernel's loop over the grid does the rest.
constexpr std::int64_t blocks_for(std::int64_t n, std::int64_t per_block, std::int64_t most = 0x7fffffff) {
  const std::int64_t blocks = ceil_div(n, per_block);
  return blocks < most ? blocks : most;
}
/// As many blocks as fill the device with threads, for loops over the grid.
inline std::int64_t resident_blocks(std::int64_t threads) {
  const cudaDeviceProp& p = device_properties();
  return p.multiProcessorCount * (p.maxThreadsPerMultiProcessor / threads);
}

namespace detail {

/// `static constexpr int min_blocks` of a kernel: blocks that are to fit on a multiprocessor at once; 1 if it has none.
template <class K>
constexpr int min_blocks() {
  if constexpr (requires { K::min_blocks; }) return K::min_blocks;
  else return 1;
}

#ifdef TENZO_EMULATE_CUDA
template <class K>
void kernel_entry(const K) {}
#else
template <class K>
__global__ void __launch_bounds__(K::max_threads, min_blocks<K>()) kernel_entry(const __grid_constant__ K k) {
  k();
}
#endif

template <class K>
constexpr std::string_view type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("K = ") + 4);
  return text.substr(0, text.find_first_of(";]"));
}

template <class K>
[[noreturn]] void refuse_launch(cudaError_t e, const Extents& b, const Extents& t, std::int64_t shared,
                                const auto&... why) {
  throw LaunchError(e, cat(type_name<K>(), " <<<(", b.x, ", ", b.y, ", ", b.z, "), (", t.x, ", ", t.y, ", ", t.z, "), ",
                           shared, ">>>: ", why...));
}

}  // namespace detail

/// Launches a kernel. It has run when the stream has been synchronised.
///   shared_bytes   of dynamic shared memory; above 48 KiB the kernel says so: `static constexpr int max_shared_bytes`,
///                  with what is asked for at most; the device must have it.
///   Throws LaunchError for an empty grid or block, and for more of anything than CUDA or the kernel allows.
template <Kernel K>
void launch(const K& k, Extents blocks, Extents threads, std::int64_t shared_bytes = 0,
            cudaStream_t stream = current_stream()) {
  std::int64_t most_shared = 48 << 10;
  if constexpr (requires { K::max_shared_bytes; })
    most_shared = std::max<std::int64_t>(most_shared, K::max_shared_bytes);
  const auto refuse = [&](cudaError_t e, const auto&... why) {
    detail::refuse_launch<K>(e, blocks, threads, shared_bytes, why...);
  };
  if (!blocks.within(0x7fffffff, 65535, 65535)) refuse(cudaErrorInvalidConfiguration, "an empty or too large grid");
  if (!threads.within(1024, 1024, 64) || threads.x * threads.y * threads.z > K::max_threads)
    refuse(cudaErrorInvalidConfiguration, "a block of this kernel has 1 to ", K::max_threads, " threads");
  if (shared_bytes < 0 || shared_bytes > most_shared)
    refuse(cudaErrorInvalidConfiguration, "this kernel has at most ", most_shared, " bytes of dynamic shared memory");

  void (*const entry)(K) = &detail::kernel_entry<K>;
  if (shared_bytes > 48 << 10)
    if (const cudaError_t e =
            cudaFuncSetAttribute(entry, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)))
      cudaGetLastError(), refuse(e, cudaGetErrorString(e));
  void* arguments[] = {const_cast<K*>(&k)};
  cudaError_t e = cudaLaunchKernel(entry, blocks, threads, arguments, std::size_t(shared_bytes), stream);
  if (const cudaError_t last = cudaGetLastError(); e == cudaSuccess) e = last;
  if (e != cudaSuccess) refuse(e, cudaGetErrorString(e));
}

}  // namespace tenzo::cuda

#endif
