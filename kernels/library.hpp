// What the libraries of CUDA have in common: handles that belong to a thread and a device, and calls that can fail.
#pragma once

#include <cstddef>
#include <map>

#include "runtime.hpp"

namespace tenzo::cuda {

/// What a library refuses. The text begins with the call and its sizes.
struct LibraryError : Error {
  using Error::Error;
};

namespace detail {

/// The H of the calling thread and its current device, made when it is first asked for. Libraries allow a handle to one
/// thread at a time.
template <class H>
H& library_handle() {
  thread_local std::map<int, H> handles;
  return handles[current_device()];
}

/// Memory for one call of a library, from the pool and in the order of the current stream: the next owner gets it when
/// the call has been done. Nothing is kept between calls, so that calls can be captured in graphs.
struct Workspace {
  DeviceArray<std::byte> memory;

  explicit Workspace(std::size_t bytes) : memory(std::int64_t(bytes)) {}
  void* data() const { return memory.data(); }
  std::size_t size() const { return std::size_t(memory.size()); }
};

}  // namespace detail

}  // namespace tenzo::cuda
