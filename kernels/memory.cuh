// The memory of tensors on the device: what Tensor<T, Cuda> asks for.
#pragma once

#include <cstdint>
#include <memory>

#include "device.hpp"
#include "tenzo/cuda/device.hpp"

namespace tenzo::cuda {

namespace detail {

/// The first compute capability that the kernels are made for.
inline constexpr int least_capability = 8;

/// to[i] = U(from[i]), or a value.  A thread an element; bound by memory.
template <class T, class U>
struct CastKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  const T* from;
  U* to;

  TENZO_DEVICE void operator()() const {
    if (const std::int64_t i = thread_in_grid(); i < n) store(to + i, static_cast<U>(load(from + i)));
  }
};
template <class T>
struct FillKernel {
  static constexpr int max_threads = 256;
  std::int64_t n;
  T* to;
  T value;

  TENZO_DEVICE void operator()() const {
    if (const std::int64_t i = thread_in_grid(); i < n) store(to + i, value);
  }
};

}  // namespace detail

template <std::same_as<Device> D>
std::string obstacle(D) {
  int n = 0;
  const cudaError_t e = cudaGetDeviceCount(&n);
  if (e != cudaSuccess) {
    cudaGetLastError();  // that there is none is an answer
    return cat("no usable GPU or driver was found (CUDA: ", cudaGetErrorString(e), ")");
  }
  if (n == 0) return "no GPU was found";
  try {
    const cudaDeviceProp& gpu = device_properties();
    if (gpu.major >= detail::least_capability) return {};
    return cat("the GPU ", gpu.name, " is of compute capability ", gpu.major, '.', gpu.minor, "; want ",
               detail::least_capability, ".0 or later");
  } catch (const DeviceError& error) {  // a device that is there, and does not answer
    return error.what();
  }
}
template <std::same_as<Device> D>
void wait_for(D) {
  synchronize();
}

template <std::same_as<Device> D>
std::shared_ptr<void> allocate(D, std::size_t bytes) {
  const cudaStream_t stream = current_stream();
  return {allocate(bytes, stream), [stream](void* p) { release(p, stream); }};
}

template <class T>
void fill_elements(Device, std::int64_t n, T* to, T value) {
  if (n > 0) launch(detail::FillKernel<T>{n, to, value}, blocks_for(n, 256), 256);
}
template <class T>
void copy_elements(Device, std::int64_t n, const T* from, T* to) {
  copy(to, from, std::size_t(n) * sizeof(T), Direction::on_device);
}
template <class T, class U>
void cast_elements(Device, std::int64_t n, const T* from, U* to) {
  if (n > 0) launch(detail::CastKernel<T, U>{n, from, to}, blocks_for(n, 256), 256);
}
template <class T>
void copy_from_host(Device, std::int64_t n, const T* from, T* to) {
  copy(to, from, std::size_t(n) * sizeof(T), Direction::to_device);
}
template <class T>
void copy_to_host(Device, std::int64_t n, const T* from, T* to) {
  copy(to, from, std::size_t(n) * sizeof(T), Direction::to_host);
  synchronize();
}

}  // namespace tenzo::cuda
