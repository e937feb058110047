// Large blocks of memory, cut from one reservation of addresses. Neighbours that are free become one: what a step
// frees in one size, the next takes in another, without a page fault. Huge pages, where the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

// The address sanitizer watches the bounds of what operator new gives, so there it gives everything.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENZO_NO_ARENA 1
#endif
#endif
#if !defined(__linux__) || defined(__SANITIZE_ADDRESS__)
#define TENZO_NO_ARENA 1
#endif

#ifndef TENZO_NO_ARENA
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace tenzo::detail {

/// Not thread-safe; sizes are multiples of a page. Addresses are reserved at the first block, as many as the machine
/// has memory; a block that finds no place is for somebody else to give.
class Arena {
 public:
  static constexpr std::size_t page = 4096, huge_page = std::size_t(1) << 21;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
#ifndef TENZO_NO_ARENA
    if (base_) ::munmap(base_, reserved_);
#endif
  }

  bool owns(const void* p) const { return base_ && p >= base_ && p < base_ + reserved_; }
  /// Bytes of free blocks whose pages are kept.
  std::size_t kept() const { return kept_; }

  struct Taken {
    void* data;  // null: no place
    bool fresh;  // its pages come from the system
  };

  /// The smallest free block with pages that holds `size`, else one without, else new addresses.
  Taken take(std::size_t size) {
    for (const bool resident : {true, false}) {
      const auto it = by_size_[resident].lower_bound({size, nullptr});
      if (it == by_size_[resident].end()) continue;
      const auto [whole, at] = *it;
      remove(at);
      if (whole > size) insert(at + size, whole - size, resident);
      return {at, !resident};
    }
    if (!reserve() || size > std::size_t(base_ + reserved_ - top_)) return {nullptr, true};
    top_ += size;
    return {top_ - size, true};
  }

  void give(void* p, std::size_t size) { join(static_cast<char*>(p), size, true); }

  /// Gives pages back to the system, of the largest blocks first, until at most `keep` bytes of them are left.
  void shrink(std::size_t keep) {
    while (kept_ > keep) {
      const auto [size, at] = *by_size_[true].rbegin();
      const std::size_t excess = (kept_ - keep + huge_page - 1) / huge_page * huge_page;
      const std::size_t part = excess < size ? excess : size;
      remove(at);
      if (part < size) insert(at, size - part, true);
#ifndef TENZO_NO_ARENA
      ::madvise(at + size - part, part, MADV_DONTNEED);
#endif
      join(at + size - part, part, false);
    }
  }

 private:
  struct Extent {
    std::size_t size;
    bool resident;
  };

  bool reserve() {
#ifdef TENZO_NO_ARENA
    return false;
#else
    if (base_ || refused_) return base_;
    const std::size_t memory = std::size_t(::sysconf(_SC_PHYS_PAGES)) * std::size_t(::sysconf(_SC_PAGESIZE));
    const std::size_t size = memory / huge_page * huge_page;
    void* const p =
        ::mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    refused_ = p == MAP_FAILED;
    if (refused_) return false;
    char* const from = static_cast<char*>(p);
    const std::size_t before = (huge_page - reinterpret_cast<std::uintptr_t>(from) % huge_page) % huge_page;
    if (before > 0) ::munmap(from, before);
    ::munmap(from + before + size, huge_page - before);
    base_ = top_ = from + before;
    reserved_ = size;
    ::madvise(base_, size, MADV_HUGEPAGE);  // advice: without it the pages are small
    return true;
#endif
  }

  /// A block becomes free, and one with free neighbours of its kind.
  void join(char* at, std::size_t size, bool resident) {
    auto next = extents_.lower_bound(at);
    if (next != extents_.end() && next->first == at + size && next->second.resident == resident) {
      size += next->second.size;
      remove(next->first);
    }
    next = extents_.lower_bound(at);
    if (next != extents_.begin()) {
      const auto [before, e] = *std::prev(next);
      if (before + e.size == at && e.resident == resident) {
        remove(before);
        at = before;
        size += e.size;
      }
    }
    insert(at, size, resident);
  }
  void insert(char* at, std::size_t size, bool resident) {
    extents_[at] = {size, resident};
    by_size_[resident].insert({size, at});
    if (resident) kept_ += size;
  }
  void remove(char* at) {
    const auto it = extents_.find(at);
    by_size_[it->second.resident].erase({it->second.size, at});
    if (it->second.resident) kept_ -= it->second.size;
    extents_.erase(it);
  }

  char *base_ = nullptr, *top_ = nullptr;
  std::size_t reserved_ = 0, kept_ = 0;
  [[maybe_unused]] bool refused_ = false;               // the system gave no addresses
  std::map<char*, Extent> extents_;                     // free ones, by address
  std::set<std::pair<std::size_t, char*>> by_size_[2];  // the same by size: without and with pages
};

}  // namespace tenzo::detail
