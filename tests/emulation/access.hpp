// What kernels' loads, stores and atomics are checked for, and counted.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>

#include "block.hpp"
#include "memory.hpp"

namespace tenzo::emulation {

/// What kernels moved through load, store and atomics, and how often each was launched: for a roofline.
struct Traffic {
  struct Launches {
    std::uint64_t count = 0, blocks = 0;
  };

  std::array<std::uint64_t, 5> loads{}, stores{};  // of 1, 2, 4, 8, 16 bytes
  std::uint64_t atomics = 0;
  std::map<std::string_view, Launches> launches{};  // by the kernel's type

  std::uint64_t bytes_loaded() const { return bytes(loads); }
  std::uint64_t bytes_stored() const { return bytes(stores); }

 private:
  static std::uint64_t bytes(const std::array<std::uint64_t, 5>& count) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count.size(); ++i) sum += count[i] << i;
    return sum;
  }
};
inline Traffic traffic;

/// Ends the launch: says what is wrong with an access.
[[noreturn]] void refuse_access(const char* what, const void* p, std::size_t bytes, std::size_t alignment, bool shared,
                                Site where);

/// The kernel's next access to memory: of the device, or of the block where `shared` allows it.
///   Outside of kernels, where the host calls a device function, nothing is checked.
TENZO_NOT_SEEN_BY_TSAN inline void check_access(const char* what, const void* p, std::size_t bytes,
                                                std::size_t alignment, bool shared, Site where) {
  Block& block = Block::instance();
  if (!block.current()) return;
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0 ||
      !(Memory::instance().on_device(p, bytes) || (shared && block.shared().holds(p, bytes))))
    refuse_access(what, p, bytes, alignment, shared, where);
}

/// Counts an access in the widest pieces that its alignment allows.
TENZO_NOT_SEEN_BY_TSAN inline void count_access(std::array<std::uint64_t, 5>& count, std::size_t bytes,
                                                std::size_t alignment) {
  const std::size_t width = alignment < 16 ? alignment : 16;
  count[std::size_t(std::countr_zero(width))] += bytes / width;
}

inline void note_load(const void* p, std::size_t bytes, std::size_t alignment, Site where) {
  check_access("load", p, bytes, alignment, false, where);
  count_access(traffic.loads, bytes, alignment);
}
inline void note_store(const void* p, std::size_t bytes, std::size_t alignment, Site where) {
  check_access("store", p, bytes, alignment, false, where);
  count_access(traffic.stores, bytes, alignment);
}
TENZO_NOT_SEEN_BY_TSAN inline void note_atomic(const void* p, std::size_t bytes, Site where) {
  check_access("atomic", p, bytes, bytes, true, where);
  ++traffic.atomics;
}

}  // namespace tenzo::emulation
