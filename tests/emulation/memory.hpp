// Memory that the runtime gives out, on the device and pinned on the host, and what kernels do with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

#include "sanitizers.hpp"

namespace tenzo::emulation {

struct Allocation {
  enum class Place { device, pinned };

  std::byte* data;
  std::size_t bytes;
  Place place;
  std::uint64_t number;  // of all that were ever made
  bool freed = false;    // by the host; a stream may still use it
  bool graph = false;    // a graph's, for all its launches
  bool mapped = false;   // in pages of its own, which are protected outside of launches

  bool holds(const void* p, std::size_t n) const {
    const auto* const b = static_cast<const std::byte*>(p);
    return b >= data && std::size_t(b - data) <= bytes && n <= bytes - std::size_t(b - data);
  }
};

/// All allocations. Each is a heap block of its own, full of NaN, which the address sanitizer guards.
class Memory {
 public:
  using Place = Allocation::Place;
  using Allocations = std::map<const void*, Allocation, std::less<>>;

  static Memory& instance() {
    static auto* const memory = new Memory;
    return *memory;
  }

  std::size_t device_bytes = std::size_t(4) << 30;  // that the device has

  /// Nothing where the device has no more.
  Allocation* make(std::size_t bytes, Place place);
  void destroy(const void* start);

  /// The allocation that this address lies in or ends; nothing where there is none.
  Allocation* find(const void* p);
  const Allocations& all() const { return all_; }
  std::uint64_t made() const { return made_; }
  std::size_t in_use() const { return in_use_; }

  /// Whether these bytes are the device's. Fast where an allocation is asked for again and again.
  TENZO_NOT_SEEN_BY_TSAN bool on_device(const void* p, std::size_t bytes) {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    for (const Range& r : recent_)
      if (at >= r.begin && at + bytes <= r.end) return true;
    return remember(p, bytes);
  }

  /// From now on the host can not touch what is allocated on the device: it crashes, and the message says why.
  void protect(bool on);

  /// While it lives, the device's memory can be reached though it is protected.
  struct Reachable {
    Reachable() {
      if (instance().protects_ && instance().reachable_++ == 0) instance().set_reachable(true);
    }
    ~Reachable() {
      if (instance().protects_ && --instance().reachable_ == 0) instance().set_reachable(false);
    }
    Reachable(const Reachable&) = delete;
    Reachable& operator=(const Reachable&) = delete;
  };

 private:
  static constexpr std::size_t alignment = 256;  // as CUDA promises

  struct Range {
    std::uintptr_t begin = 1, end = 0;
  };

  bool remember(const void* p, std::size_t bytes);  // for on_device
  void forget();

  static std::size_t page();
  static std::size_t pages(const Allocation& a);
  static void* first_page(const Allocation& a);
  void map(Allocation& a);
  void set_reachable(bool on);

  Allocations all_;
  std::uint64_t made_ = 0;
  std::size_t in_use_ = 0;
  Range recent_[4];
  std::size_t oldest_ = 0;
  bool protects_ = false;
  int reachable_ = 0;
};

}  // namespace tenzo::emulation
