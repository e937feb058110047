// A launch: what a kernel is given, and where one of its threads finds itself.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "sanitizers.hpp"
#include "stack.hpp"
#include "types.hpp"

namespace tenzo::emulation {

struct Launch {
  static constexpr std::size_t static_shared_limit = 48 << 10;

  std::string_view kernel;
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;             // dynamic
  std::size_t shared_limit = 0;             // static and dynamic together
  std::shared_ptr<const void> arguments;    // the kernel struct
  void (*thread)(const void* k) = nullptr;  // calls it

  int block_size() const { return int(threads.x * threads.y * threads.z); }
};

/// The strands of a stream: its own, and those of its kernels' threads. Of these two sets, used by turns: thread 0 of a
/// block and thread 0 of the next are not one thread.
struct Strands {
  /// Each has a stack, since who uses a stack that another has used seems to race with it.
  struct OfThread {
    Strand strand;
    std::unique_ptr<Stack> stack;
  };
  Strand stream;
  std::array<std::vector<OfThread>, 2> threads{};
};

/// Where the running thread is. Written at every switch.
struct Here {
  uint3 thread{}, block{};
  dim3 block_extents, grid_extents;
};
inline Here here;

}  // namespace tenzo::emulation

inline std::ostream& operator<<(std::ostream& o, const uint3& v) {
  return o << '(' << v.x << ", " << v.y << ", " << v.z << ')';
}
inline std::ostream& operator<<(std::ostream& o, const dim3& v) { return o << uint3(v); }

inline constexpr const uint3& threadIdx = tenzo::emulation::here.thread;
inline constexpr const uint3& blockIdx = tenzo::emulation::here.block;
inline constexpr const dim3& blockDim = tenzo::emulation::here.block_extents;
inline constexpr const dim3& gridDim = tenzo::emulation::here.grid_extents;
inline constexpr int warpSize = 32;
