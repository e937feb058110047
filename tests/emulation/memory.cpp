#include "memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <new>

#include "linkage.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY Allocation* Memory::make(std::size_t bytes, Place place) {
  if (place == Place::device) {
    if (bytes > device_bytes - std::min(device_bytes, in_use_)) return nullptr;
    in_use_ += bytes;
  }
  Allocation a{nullptr, bytes, place, ++made_};
  if (protects_ && place == Place::device) map(a);
  else a.data = static_cast<std::byte*>(::operator new(bytes, std::align_val_t(alignment)));
  Allocation& made = all_[a.data] = a;
  forget();
  const Reachable reachable;
  std::memset(made.data, 0xff, bytes);
  return &made;
}

TENZO_IN_LIBRARY void Memory::destroy(const void* start) {
  const Allocation a = all_.at(start);
  all_.erase(start);
  forget();
  if (a.place == Place::device) in_use_ -= a.bytes;
  if (a.mapped) munmap(first_page(a), pages(a) + page());
  else ::operator delete(a.data, std::align_val_t(alignment));
}

TENZO_IN_LIBRARY Allocation* Memory::find(const void* p) {
  const auto at = all_.upper_bound(p);
  if (at == all_.begin()) return nullptr;
  Allocation& a = std::prev(at)->second;
  return a.holds(p, 0) ? &a : nullptr;
}

TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY bool Memory::remember(const void* p, std::size_t bytes) {
  const Allocation* const a = find(p);
  if (!a || a->place != Place::device || !a->holds(p, bytes)) return false;
  const auto begin = reinterpret_cast<std::uintptr_t>(a->data);
  recent_[oldest_] = {begin, begin + a->bytes};
  oldest_ = (oldest_ + 1) % 4;
  return true;
}
TENZO_NOT_SEEN_BY_TSAN TENZO_IN_LIBRARY void Memory::forget() {
  for (Range& r : recent_) r = {};
}

// ── protection ───────────────────────────────────────────────────────────────────────────────────────────────────────
// An allocation ends where its last page does, up to alignment; a page that nobody can reach follows.

TENZO_IN_LIBRARY std::size_t Memory::page() { return std::size_t(sysconf(_SC_PAGESIZE)); }
TENZO_IN_LIBRARY std::size_t Memory::pages(const Allocation& a) { return (a.bytes + page() - 1) / page() * page(); }
TENZO_IN_LIBRARY void* Memory::first_page(const Allocation& a) {
  return a.data - reinterpret_cast<std::uintptr_t>(a.data) % page();
}

TENZO_IN_LIBRARY void Memory::map(Allocation& a) {
  void* const p = mmap(nullptr, pages(a) + page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  a.data = static_cast<std::byte*>(p) + (pages(a) - a.bytes) / alignment * alignment;
  a.mapped = true;
  if (reachable_ > 0) mprotect(p, pages(a), PROT_READ | PROT_WRITE);
}

TENZO_IN_LIBRARY void Memory::set_reachable(bool on) {
  for (const auto& [start, a] : all_)
    if (a.mapped) mprotect(first_page(a), pages(a), on ? PROT_READ | PROT_WRITE : PROT_NONE);
}

TENZO_IN_LIBRARY void Memory::protect(bool on) {
  protects_ = on;
  if (!on) return;
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    const Allocation* const a = instance().find(info->si_addr);
    if (a)
      std::fprintf(stderr, "emulation: the host touches memory of the device: %zu bytes, at %p\n", a->bytes,
                   info->si_addr);
    std::signal(SIGSEGV, SIG_DFL);  // and again, as it would be without us
  };
  sigaction(SIGSEGV, &action, nullptr);
}

}  // namespace tenzo::emulation
