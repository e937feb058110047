// The CUDA runtime, checked: what tenzo asks of it, with owners for what it gives out.
//
// The same calls go to CUDA's runtime or, under TENZO_EMULATE_CUDA, to the emulation's. Every call that can fail is
// checked; a failure is a DeviceError whose text begins with the call.
#pragma once

#ifdef TENZO_EMULATE_CUDA
#include "emulation/cuda.hpp"
#else
#include <cuda_runtime.h>
#endif

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::cuda {

/// What the CUDA runtime refuses, or a kernel that went wrong.
struct DeviceError : Error {
  cudaError_t code;
  DeviceError(cudaError_t e, const std::string& text) : Error(text), code(e) {}
};

/// Throws DeviceError unless the call succeeded.
inline void check(cudaError_t e, std::string_view call) {
  if (e == cudaSuccess) return;
  const std::string text = cat(call, ": ", cudaGetErrorName(e), ": ", cudaGetErrorString(e));
  cudaGetLastError();  // told here: a later call is not to tell it again
  throw DeviceError(e, text);
}

inline int current_device() {
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

/// What the current device says of itself, asked once a thread.
inline const cudaDeviceProp& device_properties() {
  thread_local std::map<int, cudaDeviceProp> known;
  const auto [it, fresh] = known.try_emplace(current_device());
  if (fresh) check(cudaGetDeviceProperties(&it->second, it->first), "cudaGetDeviceProperties");
  return it->second;
}

// ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

namespace detail {
inline thread_local cudaStream_t current_stream = nullptr;
}

/// The stream of this thread's work where none is named; at first CUDA's default stream.
inline cudaStream_t current_stream() { return detail::current_stream; }

/// While it lives, another stream is this thread's current one.
class StreamScope {
 public:
  explicit StreamScope(cudaStream_t s) : before_(std::exchange(detail::current_stream, s)) {}
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;
  ~StreamScope() { detail::current_stream = before_; }

 private:
  cudaStream_t before_;
};

/// Waits until the stream has done its work; the errors of its kernels are thrown here.
inline void synchronize(cudaStream_t s = current_stream()) { check(cudaStreamSynchronize(s), "cudaStreamSynchronize"); }
inline void synchronize_device() { check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }

/// A moment of a stream, once it was recorded.
class Event {
 public:
  enum class Timing { off, on };

  explicit Event(Timing t = Timing::off) {
    const unsigned flags = t == Timing::on ? cudaEventDefault : cudaEventDisableTiming;
    check(cudaEventCreateWithFlags(&handle_, flags), "cudaEventCreateWithFlags");
  }
  Event(Event&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Event& operator=(Event o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~Event() {
    if (handle_) cudaEventDestroy(handle_);
  }

  void record(cudaStream_t s = current_stream()) { check(cudaEventRecord(handle_, s), "cudaEventRecord"); }
  void synchronize() const { check(cudaEventSynchronize(handle_), "cudaEventSynchronize"); }
  cudaEvent_t handle() const { return handle_; }

 private:
  cudaEvent_t handle_ = nullptr;
};

/// Milliseconds between two events that were recorded with timing and have passed.
inline float milliseconds(const Event& begin, const Event& end) {
  float ms = 0;
  check(cudaEventElapsedTime(&ms, begin.handle(), end.handle()), "cudaEventElapsedTime");
  return ms;
}

/// `s` goes on only after the event.
inline void wait(cudaStream_t s, const Event& e) {
  check(cudaStreamWaitEvent(s, e.handle(), 0), "cudaStreamWaitEvent");
}

/// A stream that does not wait for the default stream.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  Stream(Stream&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Stream& operator=(Stream o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~Stream() {
    if (handle_) cudaStreamDestroy(handle_);
  }

  operator cudaStream_t() const { return handle_; }

 private:
  cudaStream_t handle_ = nullptr;
};

// ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────

namespace detail {
/// By default the driver gives what is free back at each synchronisation, and asks for it again right after.
inline void keep_freed_memory() {
  thread_local std::set<int> done;
  const int device = current_device();
  if (done.contains(device)) return;
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
  std::uint64_t all = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "cudaMemPoolSetAttribute");
  done.insert(device);
}
}  // namespace detail

/// Memory of the device, in the order of the stream; null for no bytes. Aligned to 256 bytes, and not initialised.
inline void* allocate(std::size_t bytes, cudaStream_t s = current_stream()) {
  if (bytes == 0) return nullptr;
  detail::keep_freed_memory();
  void* p = nullptr;
  check(cudaMallocAsync(&p, bytes, s), "cudaMallocAsync");
  return p;
}
/// Gives it back after what the stream has been given to do; the stream is still there.
inline void release(void* p, cudaStream_t s = current_stream()) noexcept {
  // In destructors: an error of earlier kernels is told by the next synchronisation, and by no launch.
  if (p && cudaFreeAsync(p, s) != cudaSuccess) cudaGetLastError();
}

enum class Direction { to_device, to_host, on_device };

/// Copies in the order of the stream. It is over when the stream has been synchronised; with memory of the host that is
/// not pinned, when the call returns.
///   Throws  DeviceError where it would be recorded in a graph and memory of the host takes part: the graph would read
///           or write there at each launch, whoever has the memory then.
inline void copy(void* to, const void* from, std::size_t bytes, Direction d, cudaStream_t s = current_stream()) {
  const cudaMemcpyKind kind = d == Direction::to_device ? cudaMemcpyHostToDevice
                              : d == Direction::to_host ? cudaMemcpyDeviceToHost
                                                        : cudaMemcpyDeviceToDevice;
  if (bytes == 0) return;
  if (d != Direction::on_device) {
    cudaStreamCaptureStatus capturing;
    check(cudaStreamIsCapturing(s, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone)
      throw DeviceError(cudaErrorStreamCaptureUnsupported,
                        cat("a graph can not record a copy of ", bytes, " bytes from or to the host"));
  }
  check(cudaMemcpyAsync(to, from, bytes, kind, s), "cudaMemcpyAsync");
}
/// Sets each byte, in the order of the stream.
inline void set_bytes(void* to, unsigned char value, std::size_t bytes, cudaStream_t s = current_stream()) {
  if (bytes > 0) check(cudaMemsetAsync(to, value, bytes, s), "cudaMemsetAsync");
}

/// n elements on the device, for the life of this object and in the order of one stream. Not initialised.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::int64_t n, cudaStream_t s = current_stream())
      : data_(static_cast<T*>(allocate(std::size_t(n) * sizeof(T), s))), size_(n), stream_(s) {}
  explicit DeviceArray(std::span<const T> values, cudaStream_t s = current_stream())
      : DeviceArray(std::int64_t(values.size()), s) {
    copy(data_, values.data(), values.size_bytes(), Direction::to_device, s);
  }
  DeviceArray(DeviceArray&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), stream_(o.stream_) {}
  DeviceArray& operator=(DeviceArray o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_), std::swap(stream_, o.stream_);
    return *this;
  }
  ~DeviceArray() { release(data_, stream_); }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }
  /// Waits for the stream, and copies.
  std::vector<T> to_host() const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    copy(values.data(), data_, values.size() * sizeof(T), Direction::to_host, stream_);
    synchronize(stream_);
    return values;
  }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
  cudaStream_t stream_ = nullptr;
};

/// n elements of pinned memory of the host: copies to and from it do not wait. Not initialised.
template <class T>
class PinnedArray {
 public:
  explicit PinnedArray(std::int64_t n) : size_(n) {
    void* p = nullptr;
    if (n > 0) check(cudaMallocHost(&p, std::size_t(n) * sizeof(T)), "cudaMallocHost");
    data_ = static_cast<T*>(p);
  }
  PinnedArray(PinnedArray&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  PinnedArray& operator=(PinnedArray o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_);
    return *this;
  }
  ~PinnedArray() {
    if (data_) cudaFreeHost(data_);
  }

  T* data() const { return data_; }
  std::int64_t size() const { return size_; }
  std::span<T> values() const { return {data_, std::size_t(size_)}; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

// ── graphs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Work that was recorded once and is launched as a whole, with the same pointers and arguments.
class Graph {
 public:
  /// Records what `f()` issues on the current stream, which is one of its own meanwhile. Nothing of it is done, and f
  /// may not wait for anything.
  template <class F>
  static Graph capture(F&& f) {
    const Stream stream;
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    try {
      const StreamScope scope(stream);
      std::forward<F>(f)();
    } catch (...) {
      cudaStreamEndCapture(stream, &graph);
      if (graph) cudaGraphDestroy(graph);
      cudaGetLastError();
      throw;
    }
    check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    Graph made;
    const cudaError_t e = cudaGraphInstantiate(&made.handle_, graph, 0);
    cudaGraphDestroy(graph);
    check(e, "cudaGraphInstantiate");
    return made;
  }
  Graph(Graph&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Graph& operator=(Graph o) noexcept {
    std::swap(handle_, o.handle_);
    return *this;
  }
  ~Graph() {
    if (handle_) cudaGraphExecDestroy(handle_);
  }

  void launch(cudaStream_t s = current_stream()) const { check(cudaGraphLaunch(handle_, s), "cudaGraphLaunch"); }

 private:
  Graph() = default;
  cudaGraphExec_t handle_ = nullptr;
};

}  // namespace tenzo::cuda
