// Devices: where a tensor's elements lie and who computes with them.
//
// A device is an empty type in a namespace of its own, and everything that runs on it is a function there whose first
// argument is the device: `softmax(Device, outer, n, inner, x, y)`. A primitive calls it by its bare name and finds the
// one of its operands' device, so that it is written once for all devices.
#pragma once

#include <algorithm>
#include <cstdint>

/// A function of numbers that every device may call.
#if defined(__CUDACC__)
#define TENZO_FUNCTION __host__ __device__ __forceinline__
#else
#define TENZO_FUNCTION inline __attribute__((always_inline))
#endif

namespace tenzo::cpu {

/// The host's memory and cores.
struct Device {};

/// Whether the host may read and write the elements in place.
constexpr bool on_host(Device) { return true; }

/// to[0 … n) = value.
template <class T>
void fill_elements(Device, std::int64_t n, T* to, T value) {
  std::fill_n(to, n, value);
}
/// to[0 … n) = from[0 … n).
template <class T>
void copy_elements(Device, std::int64_t n, const T* from, T* to) {
  std::copy_n(from, n, to);
}
/// The same with another element type.
template <class T, class U>
void cast_elements(Device, std::int64_t n, const T* from, U* to) {
  std::transform(from, from + n, to, [](T x) { return static_cast<U>(x); });
}

}  // namespace tenzo::cpu

namespace tenzo {

using Cpu = cpu::Device;

/// A device whose elements the host reads and writes in place.
template <class D>
concept HostDevice = on_host(D{});

}  // namespace tenzo
