#include "runtime_memory.hpp"

#include <cstring>
#include <memory>
#include <vector>

#include "linkage.hpp"

namespace tenzo::emulation {

/// An allocation that begins at p and was not given back yet; nothing where there is none, and the call is refused.
inline Allocation* to_free(const char* call, const void* p, Allocation::Place place) {
  Allocation* const a = Memory::instance().find(p);
  const char* const wrong = !a || a->data != p || a->place != place ? "not what an allocation gave, or freed twice"
                            : a->freed                              ? "freed twice"
                                                                    : nullptr;
  if (!wrong) return a;
  refuse(cudaErrorInvalidValue, call, ": ", p, " is ", wrong);
  return nullptr;
}

inline cudaError_t allocate(const char* call, void** p, std::size_t bytes, Allocation::Place place) {
  *p = nullptr;
  if (const auto e = not_in_capture(call)) return e;
  if (bytes == 0) return cudaSuccess;
  const Allocation* const a = Memory::instance().make(bytes, place);
  if (!a)
    return refuse(cudaErrorMemoryAllocation, call, ": ", bytes, " bytes, where ",
                  Memory::instance().device_bytes - Memory::instance().in_use(), " are free");
  *p = a->data;
  return cudaSuccess;
}
inline cudaError_t deallocate(const char* call, void* p, Allocation::Place place) {
  if (!p) return cudaSuccess;
  if (const auto e = not_in_capture(call)) return e;
  Queue::instance().finish_all();
  const Allocation* const a = to_free(call, p, place);
  if (!a) return cudaErrorInvalidValue;
  Memory::instance().destroy(p);
  return cudaSuccess;
}

/// Refuses a range that a copy can not have on this side.
inline cudaError_t check_side(const char* call, const char* side, const void* p, std::size_t bytes, bool device) {
  const Allocation* a = Memory::instance().find(p);
  if (a && !a->holds(p, 1)) a = nullptr;  // at the end of one: perhaps the beginning of the host's own
  const bool on_device = a && a->place == Allocation::Place::device;
  if (device != on_device)
    return refuse(cudaErrorInvalidValue, call, ": the ", side, " is ", device ? "not " : "", "memory of the device");
  if (!a) return cudaSuccess;  // of the host, and not ours to know
  if (a->freed) return refuse(cudaErrorInvalidValue, call, ": the ", side, " was freed");
  if (!a->holds(p, bytes))
    return refuse(cudaErrorInvalidValue, call, ": ", bytes, " bytes, and the ", side, " begins at byte ",
                  static_cast<const std::byte*>(p) - a->data, " of ", a->bytes);
  return cudaSuccess;
}
inline bool pinned(const void* p) {
  const Allocation* const a = Memory::instance().find(p);
  return a && a->place == Allocation::Place::pinned && a->holds(p, 1);
}

inline cudaError_t copy(const char* call, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                        CUstream_st* stream) {
  const bool to_device = kind & 1, from_device = kind & 2;
  if (!stream) return no_stream(call);
  if (bytes == 0) return cudaSuccess;
  if (const auto e = check_side(call, "destination", to, bytes, to_device)) return e;
  if (const auto e = check_side(call, "source", from, bytes, from_device)) return e;
  const auto* const a = static_cast<const std::byte*>(from);
  const auto* const b = static_cast<const std::byte*>(to);
  if (a < b + bytes && b < a + bytes) return refuse(cudaErrorInvalidValue, call, ": source and destination overlap");

  const bool staged = !from_device && !pinned(from), waits = !to_device && !pinned(to);
  if (stream->capture && (staged || waits)) {
    stream->capture->broken = true;
    return refuse(cudaErrorStreamCaptureUnsupported, call, ": memory of the host must be pinned to be captured");
  }
  if (staged) {  // pageable memory is read before the call returns
    const auto stage = std::make_shared<const std::vector<std::byte>>(a, a + bytes);
    Queue::instance().issue(*stream, [=] {
      const Memory::Reachable reachable;
      std::memcpy(to, stage->data(), bytes);
    });
  } else {
    Queue::instance().issue(*stream, [=] {
      const Memory::Reachable reachable;
      std::memcpy(to, from, bytes);
    });
  }
  if (waits) Queue::instance().finish(*stream);  // and written before it returns
  return cudaSuccess;
}

inline cudaError_t set(const char* call, void* p, int value, std::size_t bytes, CUstream_st* stream) {
  if (!stream) return no_stream(call);
  if (bytes == 0) return cudaSuccess;
  if (const auto e = check_side(call, "destination", p, bytes, true)) return e;
  Queue::instance().issue(*stream, [=] {
    const Memory::Reachable reachable;
    std::memset(p, value, bytes);
  });
  return cudaSuccess;
}

}  // namespace tenzo::emulation

TENZO_IN_LIBRARY cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::allocate("cudaMalloc", p, bytes, tenzo::emulation::Allocation::Place::device);
}
TENZO_IN_LIBRARY cudaError_t cudaFree(void* p) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::deallocate("cudaFree", p, tenzo::emulation::Allocation::Place::device);
}
TENZO_IN_LIBRARY cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::allocate("cudaMallocHost", p, bytes, tenzo::emulation::Allocation::Place::pinned);
}
TENZO_IN_LIBRARY cudaError_t cudaFreeHost(void* p) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::deallocate("cudaFreeHost", p, tenzo::emulation::Allocation::Place::pinned);
}

TENZO_IN_LIBRARY cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  *p = nullptr;
  if (!stream) return no_stream("cudaMallocAsync");
  if (bytes == 0) return cudaSuccess;
  Allocation* const a = Memory::instance().make(bytes, Allocation::Place::device);
  if (!a) return refuse(cudaErrorMemoryAllocation, "cudaMallocAsync: ", bytes, " bytes");
  if (stream->capture) a->graph = true, stream->capture->memory->blocks.push_back(a->data);
  *p = a->data;
  return set("cudaMallocAsync", *p, 0xff, bytes, stream);
}
TENZO_IN_LIBRARY cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
  using namespace tenzo::emulation;
  const Call call;
  CUstream_st* const stream = find_stream(s);
  if (!stream) return no_stream("cudaFreeAsync");
  if (!p) return cudaSuccess;
  Allocation* const a = to_free("cudaFreeAsync", p, Allocation::Place::device);
  if (!a) return cudaErrorInvalidValue;
  if (stream->capture && !a->graph)
    return refuse(cudaErrorStreamCaptureUnsupported, "cudaFreeAsync: the memory is not of the capture");
  set("cudaFreeAsync", p, 0xff, a->bytes, stream);
  a->freed = true;
  if (!a->graph)
    Queue::instance().issue(*stream, [p] {
      const Hidden hidden;
      Memory::instance().destroy(p);
    });
  return cudaSuccess;
}

TENZO_IN_LIBRARY cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
TENZO_IN_LIBRARY cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

TENZO_IN_LIBRARY cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const tenzo::emulation::Call call;
  const auto& memory = tenzo::emulation::Memory::instance();
  *total = memory.device_bytes;
  *free = memory.device_bytes - memory.in_use();
  return cudaSuccess;
}

TENZO_IN_LIBRARY cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                             cudaStream_t stream) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::copy("cudaMemcpyAsync", to, from, bytes, kind, tenzo::emulation::find_stream(stream));
}
TENZO_IN_LIBRARY cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  using namespace tenzo::emulation;
  const Call call;
  if (const auto e = not_in_capture("cudaMemcpy")) return e;
  if (const auto e = copy("cudaMemcpy", to, from, bytes, kind, find_stream(nullptr))) return e;
  Queue::instance().finish(Queue::instance().legacy);
  return cudaPeekAtLastError();
}
TENZO_IN_LIBRARY cudaError_t cudaMemsetAsync(void* p, int value, std::size_t bytes, cudaStream_t stream) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::set("cudaMemsetAsync", p, value, bytes, tenzo::emulation::find_stream(stream));
}
TENZO_IN_LIBRARY cudaError_t cudaMemset(void* p, int value, std::size_t bytes) {
  const tenzo::emulation::Call call;
  return tenzo::emulation::set("cudaMemset", p, value, bytes, tenzo::emulation::find_stream(nullptr));
}
