// The CUDA runtime under its own names: errors, the device, launches. What the runtime would refuse is refused here,
// with a reason in cudaGetErrorString.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "access.hpp"
#include "streams.hpp"

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
  Call() : lock_(mutex()) {}

 private:
  static std::recursive_mutex& mutex() {
    static auto* const m = new std::recursive_mutex;
    return *m;
  }
  std::scoped_lock<std::recursive_mutex> lock_;
  Hidden hidden_;
};

template <class... Parts>
cudaError_t refuse(cudaError_t code, const Parts&... parts) {
  return LastError::instance().raise({code, Fault::call, cat(parts...), {}});
}

/// What the emulated device says of itself; tests may change it.
inline cudaDeviceProp& device_properties() {
  static cudaDeviceProp p;
  return p;
}

/// The stream of a handle; nothing where there is none.
inline CUstream_st* find_stream(cudaStream_t s) {
  Queue& q = Queue::instance();
  return !s ? &q.legacy : q.streams.contains(s) ? s : nullptr;
}
inline cudaError_t no_stream(const char* call) {
  return refuse(cudaErrorInvalidResourceHandle, call, ": not a stream, or destroyed");
}

/// Refuses a call that waits, or has its effect at once, while a stream is being captured; that breaks the capture.
inline cudaError_t not_in_capture(const char* call) {
  for (CUstream_st* s : Queue::instance().streams)
    if (s->capture) {
      s->capture->broken = true;
      return refuse(cudaErrorStreamCaptureUnsupported, call, ": a stream is being captured");
    }
  return cudaSuccess;
}

/// By kernel, the dynamic shared memory that cudaFuncSetAttribute allows.
inline std::map<const void*, std::size_t>& shared_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

template <class K>
constexpr std::string_view kernel_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("K = ") + 4);
  return text.substr(0, text.find_first_of(text.find(';') == text.npos ? "]" : ";"));
}

/// Checks and issues a launch.
inline cudaError_t issue_launch(Launch launch, const void* entry, int most_threads, CUstream_st* stream) {
  const cudaDeviceProp& device = device_properties();
  const auto within = [](dim3 v, const int(&most)[3]) {
    return v.x >= 1 && v.y >= 1 && v.z >= 1 && v.x <= unsigned(most[0]) && v.y <= unsigned(most[1]) &&
           v.z <= unsigned(most[2]);
  };
  const auto wrong = [&](const auto&... why) {
    return refuse(cudaErrorInvalidConfiguration, launch.kernel, " <<<", launch.blocks, ", ", launch.threads, ", ",
                  launch.shared_bytes, ">>>: ", why...);
  };
  if (!stream) return no_stream("cudaLaunchKernel");
  if (!within(launch.blocks, device.maxGridSize)) return wrong("the grid is empty or too large");
  if (!within(launch.threads, device.maxThreadsDim) ||
      std::uint64_t(launch.threads.x) * launch.threads.y * launch.threads.z > std::uint64_t(most_threads))
    return wrong("a block of this kernel has 1 to ", most_threads, " threads");
  const auto opted = shared_limits().find(entry);
  const bool large = opted != shared_limits().end();
  const std::size_t most_shared = large ? opted->second : device.sharedMemPerBlock;
  if (launch.shared_bytes > most_shared) return wrong("at most ", most_shared, " bytes of dynamic shared memory");
  launch.shared_limit = large ? device.sharedMemPerBlockOptin : device.sharedMemPerBlock;
  Queue::instance().issue(*stream, [launch, strands = stream->strands] {
    const Hidden hidden;
    const Memory::Reachable reachable;
    Block::instance().run(launch, *strands);
  });
  return cudaSuccess;
}

}  // namespace tenzo::emulation

// ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────

inline const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorMisalignedAddress: return "cudaErrorMisalignedAddress";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureUnjoined: return "cudaErrorStreamCaptureUnjoined";
    case cudaErrorStreamCaptureIsolation: return "cudaErrorStreamCaptureIsolation";
    case cudaErrorCapturedEvent: return "cudaErrorCapturedEvent";
  }
  return "unrecognized error code";
}
/// The reason, where the error is the last one.
inline const char* cudaGetErrorString(cudaError_t e) {
  const tenzo::emulation::Report& r = tenzo::emulation::last_report();
  return e != cudaSuccess && e == r.code ? r.text.c_str() : cudaGetErrorName(e);
}
inline cudaError_t cudaGetLastError() { return tenzo::emulation::LastError::instance().ask(); }
inline cudaError_t cudaPeekAtLastError() { return tenzo::emulation::LastError::instance().peek(); }

// ── the device ───────────────────────────────────────────────────────────────────────────────────────────────────────

inline cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  const tenzo::emulation::Call call;
  return device == 0 ? cudaSuccess : tenzo::emulation::refuse(cudaErrorInvalidDevice, "cudaSetDevice: ", device);
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  *p = tenzo::emulation::device_properties();
  p->totalGlobalMem = tenzo::emulation::Memory::instance().device_bytes;
  return cudaSetDevice(device);
}
inline cudaError_t cudaDeviceSynchronize() {
  const tenzo::emulation::Call call;
  if (const auto e = tenzo::emulation::not_in_capture("cudaDeviceSynchronize")) return e;
  tenzo::emulation::Queue::instance().finish_all();
  return cudaPeekAtLastError();
}

// ── launches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

template <class K>
cudaError_t cudaFuncSetAttribute(void (*entry)(K), cudaFuncAttribute, int bytes) {
  const tenzo::emulation::Call call;
  const std::size_t most = tenzo::emulation::device_properties().sharedMemPerBlockOptin;
  if (bytes < 0 || std::size_t(bytes) > most)
    return tenzo::emulation::refuse(cudaErrorInvalidValue, "cudaFuncSetAttribute: ", bytes,
                                    " bytes of shared memory; the device has ", most);
  tenzo::emulation::shared_limits()[reinterpret_cast<const void*>(entry)] = std::size_t(bytes);
  return cudaSuccess;
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
