#include "runtime.hpp"

#include <map>
#include <mutex>

#include "linkage.hpp"

namespace tenzo::emulation {

inline std::recursive_mutex& call_mutex() {
  static auto* const m = new std::recursive_mutex;
  return *m;
}
TENZO_IN_LIBRARY Call::Call() : lock_(call_mutex()) {}

TENZO_IN_LIBRARY cudaDeviceProp& device_properties() {
  static cudaDeviceProp p;
  return p;
}

TENZO_IN_LIBRARY CUstream_st* find_stream(cudaStream_t s) {
  Queue& q = Queue::instance();
  return !s ? &q.legacy : q.streams.contains(s) ? s : nullptr;
}
TENZO_IN_LIBRARY cudaError_t no_stream(const char* call) {
  return refuse(cudaErrorInvalidResourceHandle, call, ": not a stream, or destroyed");
}

TENZO_IN_LIBRARY cudaError_t not_in_capture(const char* call) {
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

TENZO_IN_LIBRARY cudaError_t issue_launch(Launch launch, const void* entry, int most_threads, CUstream_st* stream) {
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
    Traffic::Launches& all = traffic.launches[launch.kernel];
    ++all.count, all.blocks += std::uint64_t(launch.blocks.x) * launch.blocks.y * launch.blocks.z;
    Block::instance().run(launch, *strands);
  });
  return cudaSuccess;
}

TENZO_IN_LIBRARY cudaError_t allow_shared(const void* entry, int bytes) {
  const Call call;
  const std::size_t most = device_properties().sharedMemPerBlockOptin;
  if (bytes < 0 || std::size_t(bytes) > most)
    return refuse(cudaErrorInvalidValue, "cudaFuncSetAttribute: ", bytes, " bytes of shared memory; the device has ",
                  most);
  shared_limits()[entry] = std::size_t(bytes);
  return cudaSuccess;
}

}  // namespace tenzo::emulation

TENZO_IN_LIBRARY const char* cudaGetErrorName(cudaError_t e) {
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
TENZO_IN_LIBRARY const char* cudaGetErrorString(cudaError_t e) {
  const tenzo::emulation::Report& r = tenzo::emulation::last_report();
  return e != cudaSuccess && e == r.code ? r.text.c_str() : cudaGetErrorName(e);
}
TENZO_IN_LIBRARY cudaError_t cudaGetLastError() { return tenzo::emulation::LastError::instance().ask(); }
TENZO_IN_LIBRARY cudaError_t cudaPeekAtLastError() { return tenzo::emulation::LastError::instance().peek(); }

// ── the device ───────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_IN_LIBRARY cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaSetDevice(int device) {
  const tenzo::emulation::Call call;
  return device == 0 ? cudaSuccess : tenzo::emulation::refuse(cudaErrorInvalidDevice, "cudaSetDevice: ", device);
}
TENZO_IN_LIBRARY cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  *p = tenzo::emulation::device_properties();
  p->totalGlobalMem = tenzo::emulation::Memory::instance().device_bytes;
  return cudaSetDevice(device);
}
TENZO_IN_LIBRARY cudaError_t cudaDeviceSynchronize() {
  const tenzo::emulation::Call call;
  if (const auto e = tenzo::emulation::not_in_capture("cudaDeviceSynchronize")) return e;
  tenzo::emulation::Queue::instance().finish_all();
  return cudaPeekAtLastError();
}
