// What the stand-ins for CUDA's libraries have in common: the reason of a refusal, and checks of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "runtime_streams.hpp"
#include "tenzo/core/error.hpp"

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

/// The stream will do the work, which reads and writes memory of the device. What stands in a workspace is lost.
template <class F>
void on_stream(CUstream_st& stream, void* workspace, std::size_t bytes, F&& work) {
  Queue::instance().issue(stream, [=] {
    const Memory::Reachable reachable;
    if (workspace) std::memset(workspace, 0xff, bytes);
    work();
  });
}

}  // namespace tenzo::emulation
