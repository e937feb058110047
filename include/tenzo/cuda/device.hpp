// The CUDA device: NVIDIA GPUs. Its functions are defined by the kernels (tenzo_kernels/all.cuh, compiled by nvcc) or
// by the library tenzo::cuda.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace tenzo::cuda {

/// The GPU that the calling thread works on, and its current stream.
struct Device {};

constexpr bool on_host(Device) { return false; }

/// What keeps this process from using a GPU, in one sentence: none or no driver, or one that is too old for the
/// kernels. Empty where there is one: how a program asks before it begins. It does not throw.
template <std::same_as<Device> D>
std::string obstacle(D);
/// Waits until everything that was asked of the current stream has been done. Errors of its kernels are thrown here.
template <std::same_as<Device> D>
void wait_for(D);

/// Memory of the GPU from the pool of the current stream. Freed in the order of the stream: what was asked of it before
/// may still use it.
///   Throws  Error where there is no GPU or not enough memory.
template <std::same_as<Device> D>
std::shared_ptr<void> allocate(D, std::size_t bytes);

/// to[0 … n) = value.
template <class T>
void fill_elements(Device, std::int64_t n, T* to, T value);
/// to[0 … n) = from[0 … n), both on the GPU.
template <class T>
void copy_elements(Device, std::int64_t n, const T* from, T* to);
/// The same with another element type.
template <class T, class U>
void cast_elements(Device, std::int64_t n, const T* from, U* to);
/// From the host: `from` may be changed or freed after the call.
template <class T>
void copy_from_host(Device, std::int64_t n, const T* from, T* to);
/// To the host, after everything that was asked of the stream before; waits for it.
template <class T>
void copy_to_host(Device, std::int64_t n, const T* from, T* to);

}  // namespace tenzo::cuda

namespace tenzo {

using Cuda = cuda::Device;

}  // namespace tenzo
