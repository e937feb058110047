// The CUDA runtime under its own names: errors, the device, launches. What the runtime would refuse is refused here,
// with a reason in cudaGetErrorString.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "access.hpp"
#include "streams.hpp"
#include "tenzo/core/error.hpp"

using cudaStream_t = CUstream_st*;
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;

struct cudaDeviceProp {
  char name[256] = "emulated device";
  std::size_t totalGlobalMem = 0;
  std::size_t sharedMemPerBlock = 48 << 10;
  std::size_t sharedMemPerBlockOptin = 99 << 10;  // of sm_86, 89 and 120: the least
  std::size_t sharedMemPerMultiprocessor = 100 << 10;
  int regsPerBlock = 65536;
  int warpSize = 32;
  int maxThreadsPerBlock = 1024;
  int maxThreadsDim[3] = {1024, 1024, 64};
  int maxGridSize[3] = {0x7fffffff, 65535, 65535};
  int major = 8, minor = 0;
  int multiProcessorCount = 4;  // few, so that loops over the grid go round
  int maxThreadsPerMultiProcessor = 1536;
  int l2CacheSize = 1 << 20;
};

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

namespace tenzo::emulation {

/// Around every call of the runtime: one at a time, and hidden from the thread sanitizer.
class Call {
 public:
  Call();

 private:
  std::scoped_lock<std::recursive_mutex> lock_;
  Hidden hidden_;
};

template <class... Parts>
cudaError_t refuse(cudaError_t code, const Parts&... parts) {
  return LastError::instance().raise({code, Fault::call, cat(parts...), {}});
}

/// What the emulated device says of itself; tests may change it.
cudaDeviceProp& device_properties();

/// The stream of a handle; nothing where there is none.
CUstream_st* find_stream(cudaStream_t s);
cudaError_t no_stream(const char* call);

/// Refuses a call that waits, or has its effect at once, while a stream is being captured; that breaks the capture.
cudaError_t not_in_capture(const char* call);

template <class K>
constexpr std::string_view kernel_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("K = ") + 4);
  return text.substr(0, text.find_first_of(text.find(';') == text.npos ? "]" : ";"));
}

/// Checks and issues a launch.
cudaError_t issue_launch(Launch launch, const void* entry, int most_threads, CUstream_st* stream);
/// Allows a kernel more dynamic shared memory.
cudaError_t allow_shared(const void* entry, int bytes);

}  // namespace tenzo::emulation

const char* cudaGetErrorName(cudaError_t e);
/// The reason, where the error is the last one.
const char* cudaGetErrorString(cudaError_t e);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();

cudaError_t cudaGetDeviceCount(int* n);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device);
cudaError_t cudaDeviceSynchronize();

template <class K>
cudaError_t cudaFuncSetAttribute(void (*entry)(K), cudaFuncAttribute, int bytes) {
  return tenzo::emulation::allow_shared(reinterpret_cast<const void*>(entry), bytes);
}

/// Launches a kernel whose one argument is a struct that knows its bound and what a thread does.
template <class K>
cudaError_t cudaLaunchKernel(void (*entry)(K), dim3 blocks, dim3 threads, void** arguments, std::size_t shared_bytes,
                             cudaStream_t stream) {
  using namespace tenzo::emulation;
  const Call call;
  return issue_launch({.kernel = kernel_name<K>(),
                       .blocks = blocks,
                       .threads = threads,
                       .shared_bytes = shared_bytes,
                       .arguments = std::make_shared<const K>(*static_cast<const K*>(*arguments)),
                       .thread = [](const void* k) { (*static_cast<const K*>(k))(); }},
                      reinterpret_cast<const void*>(entry), K::max_threads, find_stream(stream));
}
