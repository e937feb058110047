// What the stand-ins for CUDA's libraries have in common: the reason of a refusal, and checks of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "runtime_streams.hpp"
#include "tenzo/core/error.hpp"

#ifdef TENZO_THREAD_SANITIZER
extern "C" {
void __tsan_read_range(void* p, long bytes);
void __tsan_write_range(void* p, long bytes);
}
#endif

namespace tenzo::emulation {

/// Why a stand-in has refused the last call that it refused; the libraries themselves have a number only.
inline std::string& last_refusal() {
  static std::string text;
  return text;
}

/// Keeps the reason and gives the status.
template <class Status, class... Parts>
Status refuse_call(Status s, const Parts&... reason) {
  last_refusal() = cat(reason...);
  return s;
}

/// Whether [p, p + bytes) is memory of the device that the host has not freed.
inline bool owned_by_device(const void* p, std::size_t bytes) {
  const Allocation* const a = Memory::instance().find(p);
  return a && a->place == Allocation::Place::device && !a->freed && a->holds(p, bytes);
}
inline bool aligned_to(const void* p, std::size_t bytes) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

/// Bytes that a call reads or writes, from the first to the last.
struct Range {
  const void* data = nullptr;
  std::size_t bytes = 0;
};

/// Tells the thread sanitizer of an access, where all else is hidden from it.
TENZO_NOT_SEEN_BY_TSAN inline void show_access([[maybe_unused]] const Range& r, [[maybe_unused]] bool writes) {
#ifdef TENZO_THREAD_SANITIZER
  void* const p = const_cast<void*>(r.data);
  const long n = long(r.bytes);
  end_hiding();
  writes ? __tsan_write_range(p, n) : __tsan_read_range(p, n);
  begin_hiding();
#endif
}

/// The stream will do the work, which reads and writes memory of the device. What stands in the workspace is lost. The
/// thread sanitizer sees an access to each range, and nothing of how the work is done.
template <class F>
void on_stream(CUstream_st& stream, const Range& workspace, std::vector<Range> reads, const Range& written, F&& work) {
  Queue::instance().issue(stream, [=] {
    const Hidden hidden;
    const Memory::Reachable reachable;
    for (const Range& r : reads) show_access(r, false);
    show_access(written, true);
    show_access(workspace, true);
    if (workspace.data) std::memset(const_cast<void*>(workspace.data), 0xff, workspace.bytes);
    work();
  });
}

}  // namespace tenzo::emulation
