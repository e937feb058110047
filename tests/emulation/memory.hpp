// Memory that the runtime gives out, on the device and pinned on the host, and what kernels do with it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <new>

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
  Allocation* make(std::size_t bytes, Place place) {
    if (place == Place::device) {
      if (bytes > device_bytes - std::min(device_bytes, in_use_)) return nullptr;
      in_use_ += bytes;
    }
    Allocation a{nullptr, bytes, place, ++made_};
    if (protects_ && place == Place::device) map(a);
    else a.data = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment)));
    Allocation& made = all_[a.data] = a;
    changed();
    const Reachable reachable;
    std::memset(made.data, 0xff, bytes);
    return &made;
  }
  void destroy(const void* start) {
    const Allocation a = all_.at(start);
    all_.erase(start);
    changed();
    if (a.place == Place::device) in_use_ -= a.bytes;
    if (a.mapped) munmap(first_page(a), pages(a) + page());
    else ::operator delete(a.data, std::align_val_t(alignment));
  }

  /// The allocation that this address lies in or ends; nothing where there is none.
  Allocation* find(const void* p) {
    const auto at = all_.upper_bound(p);
    if (at == all_.begin()) return nullptr;
    Allocation& a = std::prev(at)->second;
    return a.holds(p, 0) ? &a : nullptr;
  }
  const Allocations& all() const { return all_; }
  std::uint64_t made() const { return made_; }
  std::size_t in_use() const { return in_use_; }

  /// Whether these bytes are the device's. Fast where an allocation is asked for again and again.
  TENZO_NOT_SEEN_BY_TSAN bool on_device(const void* p, std::size_t bytes) {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    for (const Range& r : recent_)
      if (at >= r.begin && at + bytes <= r.end) return true;
    const Allocation* const a = find(p);
    if (!a || a->place != Place::device || !a->holds(p, bytes)) return false;
    const auto begin = reinterpret_cast<std::uintptr_t>(a->data);
    recent_[oldest_] = {begin, begin + a->bytes};
    oldest_ = (oldest_ + 1) % 4;
    return true;
  }

  /// From now on the host can not touch what is allocated on the device: it crashes, and the message says why.
  void protect(bool on) {
    protects_ = on;
    if (on) catch_faults();
  }

  /// While it lives, the device's memory can be reached though it is protected.
  struct Reachable {
    Reachable() {
      if (instance().protects_ && instance().reachable_++ == 0) instance().set_access(PROT_READ | PROT_WRITE);
    }
    ~Reachable() {
      if (instance().protects_ && --instance().reachable_ == 0) instance().set_access(PROT_NONE);
    }
    Reachable(const Reachable&) = delete;
    Reachable& operator=(const Reachable&) = delete;
  };

 private:
  static constexpr std::size_t alignment = 256;  // as CUDA promises

  struct Range {
    std::uintptr_t begin = 1, end = 0;
  };

  TENZO_NOT_SEEN_BY_TSAN void changed() {
    for (Range& r : recent_) r = {};
  }

  // Protected allocations end where their last page does, up to alignment, and a page that nobody can reach follows.
  static std::size_t page() { return std::size_t(sysconf(_SC_PAGESIZE)); }
  static std::size_t pages(const Allocation& a) { return (a.bytes + page()) / page() * page(); }
  static void* first_page(const Allocation& a) { return a.data - reinterpret_cast<std::uintptr_t>(a.data) % page(); }
  void map(Allocation& a) {
    void* const p = mmap(nullptr, pages(a) + page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    a.data = static_cast<std::byte*>(p) + (pages(a) - a.bytes) / alignment * alignment;
    a.mapped = true;
    mprotect(p, pages(a), reachable_ ? PROT_READ | PROT_WRITE : PROT_NONE);
  }
  void set_access(int access) {
    for (const auto& [start, a] : all_)
      if (a.mapped) mprotect(first_page(a), pages(a), access);
  }
  static void catch_faults() {
    struct sigaction action {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = [](int, siginfo_t* info, void*) {
      const Allocation* const a = instance().find(info->si_addr);
      if (a)
        std::fprintf(stderr, "emulation: the host touches memory of the device: %zu bytes at %p\n", a->bytes,
                     info->si_addr);
      std::signal(SIGSEGV, SIG_DFL);  // and again, as it would be without us
    };
    sigaction(SIGSEGV, &action, nullptr);
  }

  Allocations all_;
  std::uint64_t made_ = 0;
  std::size_t in_use_ = 0;
  Range recent_[4];
  std::size_t oldest_ = 0;
  bool protects_ = false;
  int reachable_ = 0;
};

}  // namespace tenzo::emulation
